import type { ServedByEntry } from '../types.ts';
import { shortHex } from '../words/text.ts';
import { Badge } from './badge.tsx';
import { Empty } from './notice.tsx';
import { Ending, RelativeTime } from './time.tsx';

const current = { label: 'Version in use', icon: 'check-circle', tone: 'ok' } as const;
const other = { label: 'Another version', icon: 'alert', tone: 'warn' } as const;

/** Which terminator serves which serial now, and whether that is the version in use. */
export function ServedBy({ entries }: { readonly entries: readonly ServedByEntry[] }) {
  if (entries.length === 0) return <Empty title="No terminator serves this certificate." />;
  return (
    <ul className="rows">
      {entries.map((entry) => (
        <li
          key={`${entry.terminator} ${entry.source} ${entry.serial}`}
          className="row line"
          data-mismatch={!entry.upToDate}
        >
          <div>
            <p>
              <span className="strong">{entry.terminator}</span>
              {!entry.connected && <span className="quiet"> (not connected, as last reported)</span>}
            </p>
            <p className="meta">
              <span>
                Serial <code title={entry.serial}>{shortHex(entry.serial)}</code>
              </span>
              <span>
                since <RelativeTime at={entry.since} />
              </span>
              <span>
                <Ending at={entry.notAfter} />
              </span>
              <span>from {entry.source}</span>
            </p>
          </div>
          <Badge look={entry.upToDate ? current : other} />
        </li>
      ))}
    </ul>
  );
}
