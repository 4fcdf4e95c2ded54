import { useQuery } from '@tanstack/react-query';
import { issuersQuery, overviewQuery, terminatorsQuery } from '../api/queries.ts';
import { Loaded } from '../parts/loaded.tsx';
import { Page } from '../parts/page.tsx';
import { OverviewSkeleton, OverviewView } from './overview-view.tsx';

export function OverviewPage() {
  const overview = useQuery(overviewQuery);
  const issuers = useQuery(issuersQuery);
  const terminators = useQuery(terminatorsQuery);
  return (
    <Page title="Overview">
      <Loaded query={overview} what="The overview" skeleton={<OverviewSkeleton />}>
        {(data) => <OverviewView overview={data} issuers={issuers} terminators={terminators} />}
      </Loaded>
    </Page>
  );
}
