import { Link } from 'wouter';
import type { Terminator } from '../types.ts';
import { terminatorLook } from '../words/status.ts';
import { count } from '../words/text.ts';
import { Badge } from './badge.tsx';
import { Empty } from './notice.tsx';

/** One line for each terminator. */
export function TerminatorLines({ terminators }: { readonly terminators: readonly Terminator[] }) {
  if (terminators.length === 0) return <Empty title="No terminator is connected." />;
  return (
    <ul className="rows">
      {terminators.map((terminator) => {
        const connections = terminator.workers.reduce((sum, worker) => sum + worker.connections, 0);
        return (
          <li key={terminator.id} className="row line">
            <div>
              <Link href="/terminators" className="strong">
                {terminator.id}
              </Link>
              <p className="meta">
                <span>{count(terminator.served, 'certificate')}</span>
                <span>{count(terminator.workers.length, 'worker')}</span>
                <span>{count(connections, 'connection')}</span>
              </p>
              <Unhealthy backends={terminator.backends ?? []} />
            </div>
            <Badge look={terminatorLook(terminator)} />
          </li>
        );
      })}
    </ul>
  );
}

function Unhealthy({ backends }: { readonly backends: NonNullable<Terminator['backends']> }) {
  const unhealthy = backends.filter(({ state }) => state !== 'healthy').length;
  if (unhealthy === 0) return null;
  const label = `${unhealthy} of ${count(backends.length, 'backend endpoint')} not healthy`;
  return <Badge look={{ label, icon: 'alert', tone: 'warn' }} />;
}
