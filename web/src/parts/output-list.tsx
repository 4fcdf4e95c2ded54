import type { CertificateDetail } from '../types.ts';
import { deliveryLooks } from '../words/status.ts';
import { Badge } from './badge.tsx';
import { Icon, type IconName } from './icon.tsx';
import { Empty } from './notice.tsx';
import { RelativeTime } from './time.tsx';

/** Where versions are written to. */
export function OutputList({ outputs }: { readonly outputs: CertificateDetail['outputs'] }) {
  if (outputs.length === 0) return <Empty title="It is delivered nowhere yet." />;
  return (
    <ul className="rows">
      {outputs.map(({ target, state, reason, at, version }) => (
        <li key={target} className="row line">
          <div>
            <Target target={target} />
            <p className="meta">
              <span className="server-text">{reason.message}</span>
              {version !== null && <span>version {version}</span>}
              {at !== null && <RelativeTime at={at} />}
            </p>
          </div>
          <Badge look={deliveryLooks[state]} title={reason.message} />
        </li>
      ))}
    </ul>
  );
}

const kinds: Readonly<Record<string, readonly [words: string, icon: IconName]>> = {
  files: ['Files', 'file'],
  secret: ['Secret', 'cube'],
  terminator: ['Terminator', 'terminator'],
};

/** `files:/etc/tls`, `secret:shop/tls`, `terminator:edge-1`: the kind as a word, the place as it is. */
function Target({ target }: { readonly target: string }) {
  const colon = target.indexOf(':');
  const kind = kinds[target.slice(0, colon)];
  if (kind === undefined) return <p className="target">{target}</p>;
  return (
    <p className="target">
      <Icon name={kind[1]} />
      <span className="quiet">{kind[0]}</span>
      <span className="strong">{target.slice(colon + 1)}</span>
    </p>
  );
}
