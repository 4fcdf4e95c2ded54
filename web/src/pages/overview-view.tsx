import type { UseQueryResult } from '@tanstack/react-query';
import { Card } from '../parts/card.tsx';
import { Installation } from '../parts/installation.tsx';
import { Loaded, Skeleton } from '../parts/loaded.tsx';
import { Empty } from '../parts/notice.tsx';
import { PhaseCounts } from '../parts/phase-counts.tsx';
import { TerminatorLines } from '../parts/terminator-lines.tsx';
import { Timeline } from '../parts/timeline.tsx';
import { Upcoming } from '../parts/upcoming.tsx';
import type { Issuer, Overview, Terminator } from '../types.ts';
import { AttentionList } from './overview-attention.tsx';

interface OverviewViewProps {
  readonly overview: Overview;
  readonly issuers: UseQueryResult<Issuer[]>;
  readonly terminators: UseQueryResult<Terminator[]>;
}

export function OverviewView({ overview, issuers, terminators }: OverviewViewProps) {
  if (overview.total === 0 && overview.problems.length === 0) return <Welcome />;
  return (
    <div className="stack">
      <PhaseCounts overview={overview} />
      <div className="columns">
        <div className="stack">
          <AttentionList certificates={overview.attention} total={overview.attentionTotal} />
          <Timeline spans={overview.timeline} />
        </div>
        <div className="stack">
          <Installation problems={overview.problems} issuers={issuers} terminators={terminators} />
          <Card title="Terminators">
            <Loaded query={terminators} what="The terminators" skeleton={<Skeleton lines={2} />}>
              {(data) => <TerminatorLines terminators={data} />}
            </Loaded>
          </Card>
          <Upcoming />
        </div>
      </div>
    </div>
  );
}

function Welcome() {
  return (
    <Card title="Nothing here yet">
      <Empty title="There are no certificates in the configuration.">
        <p>
          Add a certificate or a route to the configuration file and run <code className="code">certplane reload</code>;
          it appears here at once.
        </p>
      </Empty>
    </Card>
  );
}

export function OverviewSkeleton() {
  return (
    <div className="stack">
      <div className="card skeleton-counts">
        <Skeleton lines={2} />
      </div>
      <div className="columns">
        <div className="card">
          <Skeleton lines={6} />
        </div>
        <div className="card">
          <Skeleton lines={4} />
        </div>
      </div>
    </div>
  );
}
