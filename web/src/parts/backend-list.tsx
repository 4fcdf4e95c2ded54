import type { Terminator } from '../types.ts';
import { backendLooks } from '../words/status.ts';
import { count } from '../words/text.ts';
import { Badge } from './badge.tsx';
import { Fold } from './fold.tsx';

type Endpoint = NonNullable<Terminator['backends']>[number];

/** Where requests go, as all workers together see it; what is not healthy first. */
export function BackendList({ backends }: { readonly backends: readonly Endpoint[] }) {
  const ordered = backends.toSorted((a, b) => Number(a.state === 'healthy') - Number(b.state === 'healthy'));
  return (
    <section className="backends" aria-label="Backends">
      <h3 className="card-part">Backends</h3>
      <Fold items={ordered} most={10} what="endpoints">
        {(shown) => (
          <ul className="rows">
            {shown.map(({ backend, endpoint, state, open, requests }) => (
              <li key={`${backend} ${endpoint}`} className="row line">
                <div>
                  <p className="strong">{endpoint}</p>
                  <p className="meta">
                    <span>{backend}</span>
                    <span>{count(open, 'open connection')}</span>
                    <span>{count(requests, 'request')}</span>
                  </p>
                </div>
                <Badge look={backendLooks[state]} />
              </li>
            ))}
          </ul>
        )}
      </Fold>
    </section>
  );
}
