import type { Notice } from '../types.ts';
import { Icon } from './icon.tsx';
import { RelativeTime } from './time.tsx';

/** Problems that belong to no single certificate. */
export function NoticeList({ notices }: { readonly notices: readonly Notice[] }) {
  return (
    <ul className="rows">
      {notices.map((notice) => (
        <NoticeRow key={`${notice.code} ${notice.subject}`} notice={notice} />
      ))}
    </ul>
  );
}

export function NoticeRow({ notice: { code, message, subject, since } }: { readonly notice: Notice }) {
  return (
    <li className="row problem">
      <Icon name="alert" />
      <div>
        <p className="server-text">{message}</p>
        <p className="meta">
          {subject !== null && <span>{subject}</span>}
          <code className="code">{code}</code>
          <span>
            since <RelativeTime at={since} />
          </span>
        </p>
      </div>
    </li>
  );
}
