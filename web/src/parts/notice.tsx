import type { ReactNode } from 'react';
import { Button } from 'react-aria-components';
import { ApiError } from '../api/client.ts';
import type { Tone } from '../words/status.ts';
import { Icon, type IconName } from './icon.tsx';

interface NoticeBoxProps {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly children: ReactNode;
}

export function NoticeBox({ tone, icon, children }: NoticeBoxProps) {
  return (
    <div className="notice" data-tone={tone}>
      <Icon name={icon} />
      <div className="notice-text">{children}</div>
    </div>
  );
}

/** Nothing to show, which is fine; says what would bring something. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

interface FailureProps {
  /** `The certificates` */
  readonly what: string;
  readonly error: Error;
  readonly onRetry: () => void;
}

export function Failure({ what, error, onRetry }: FailureProps) {
  return (
    <div className="empty" role="alert">
      <p className="empty-title">{what} could not be read.</p>
      <p>
        {error.message}
        {error instanceof ApiError && <code className="code">{error.code}</code>}
      </p>
      <Button className="button" onPress={onRetry}>
        <Icon name="renew" />
        Try again
      </Button>
    </div>
  );
}
