import { BackendList } from '../parts/backend-list.tsx';
import { Badge } from '../parts/badge.tsx';
import { Card, Fact, Facts } from '../parts/card.tsx';
import { Empty } from '../parts/notice.tsx';
import { NoticeList } from '../parts/notice-list.tsx';
import { BothTimes, RelativeTime } from '../parts/time.tsx';
import type { Terminator } from '../types.ts';
import { terminatorLook } from '../words/status.ts';

export function TerminatorsView({ terminators }: { readonly terminators: readonly Terminator[] }) {
  if (terminators.length === 0) {
    return (
      <div className="card">
        <Empty title="No terminator is connected.">
          <p>
            <code className="code">certplane run</code> starts one where the configuration has routes;{' '}
            <code className="code">certplane terminator</code> starts one alone.
          </p>
        </Empty>
      </div>
    );
  }
  return (
    <div className="stack">
      {terminators.map((terminator) => (
        <TerminatorCard key={terminator.id} terminator={terminator} />
      ))}
    </div>
  );
}

function TerminatorCard({ terminator }: { readonly terminator: Terminator }) {
  const { id, since, connected, acknowledged, current, workers, listening, problems, backends, served } = terminator;
  return (
    <Card title={id} aside={<Badge look={terminatorLook(terminator)} />}>
      {problems.length > 0 && <NoticeList notices={problems} />}
      <Facts>
        <Fact name={connected ? 'Connected' : 'Last seen'}>
          <BothTimes at={since} />
        </Fact>
        <Fact name="Listening">{listening.length === 0 ? 'nowhere' : listening.join(', ')}</Fact>
        <Fact name="Certificates served">{served}</Fact>
        <Fact name="Revision applied">
          <code>{acknowledged ?? 'none yet'}</code>
          {acknowledged !== current && (
            <span className="quiet">
              {' '}
              of <code>{current}</code>
            </span>
          )}
        </Fact>
      </Facts>
      {workers.length > 0 && (
        <table className="plain-table">
          <caption className="hidden">Workers of {id}</caption>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col">Started</th>
              <th scope="col" className="number">
                Connections
              </th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => (
              <tr key={worker.pid}>
                <td>
                  <code>{worker.pid}</code>
                </td>
                <td>
                  <RelativeTime at={worker.startedAt} />
                </td>
                <td className="number">{worker.connections}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {backends !== null && backends.length > 0 && <BackendList backends={backends} />}
    </Card>
  );
}
