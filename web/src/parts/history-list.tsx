import { Link } from 'wouter';
import type { HistoryEntry } from '../types.ts';
import { historyLooks } from '../words/status.ts';
import { certificatePath } from '../words/text.ts';
import { Icon } from './icon.tsx';
import { Empty } from './notice.tsx';
import { BothTimes } from './time.tsx';

interface HistoryListProps {
  readonly entries: readonly HistoryEntry[];
  /** Show whose it is; left out on the page of one certificate. */
  readonly withCertificate?: boolean;
}

/** The newest first. */
export function HistoryList({ entries, withCertificate = false }: HistoryListProps) {
  if (entries.length === 0) return <Empty title="Nothing has happened yet." />;
  return (
    <ol className="events">
      {entries.map((entry) => {
        const look = historyLooks[entry.kind];
        return (
          <li key={entry.id} className="event" data-tone={look.tone}>
            <Icon name={look.icon} />
            <div className="event-text">
              <p>
                <span className="strong">{look.label}</span>
                {withCertificate && entry.certificate !== null && (
                  <>
                    {' '}
                    <Link href={certificatePath(entry.certificate)}>{entry.certificate}</Link>
                  </>
                )}
                <span className="event-message server-text"> {entry.message}</span>
              </p>
              <p className="meta">
                <BothTimes at={entry.at} />
                <span>by {entry.actor}</span>
                <code className="code">{entry.code}</code>
              </p>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
