import type { Notice } from '../types.ts';
import { Icon } from './icon.tsx';
import { RelativeTime } from './time.tsx';

/** Problems that belong to no single certificate. */
export function NoticeList({ notices }: { readonly notices: readonly Notice[] }) {
  return (
    <ul className="rows">
      {notices.map((notice) => (
        <li key={`${notice.code} ${notice.subject}`} className="row problem">
          <Icon name="alert" />
          <div>
            <p>{notice.message}</p>
            <p className="meta">
              {notice.subject !== null && <span>{notice.subject}</span>}
              <code className="code">{notice.code}</code>
              <span>
                since <RelativeTime at={notice.since} />
              </span>
            </p>
          </div>
        </li>
      ))}
    </ul>
  );
}
