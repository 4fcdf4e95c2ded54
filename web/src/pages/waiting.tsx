import { Button } from 'react-aria-components';
import { ApiError } from '../api/client.ts';
import { Alone } from '../parts/alone.tsx';
import { Icon } from '../parts/icon.tsx';
import { NoticeBox } from '../parts/notice.tsx';

interface WaitingPageProps {
  /** Null while the first answer is on its way. */
  readonly error: Error | null;
  readonly onRetry: () => void;
}

/** The control process has not answered yet, or does not. */
export function WaitingPage({ error, onRetry }: WaitingPageProps) {
  if (error === null) {
    return (
      <main className="alone late">
        <title>Certplane</title>
        <output className="waiting">
          <Icon name="spinner" />
          Asking the control process
        </output>
      </main>
    );
  }
  return (
    <Alone title="No answer · Certplane">
      <div role="alert">
        <NoticeBox tone="warn" icon="alert">
          {error.message} {error instanceof ApiError && <code className="code">{error.code}</code>}
        </NoticeBox>
      </div>
      <p>
        This page asks again every few seconds. On the machine itself, <code className="code">certplane doctor</code>{' '}
        says what is wrong. What a terminator serves, it goes on serving.
      </p>
      <Button className="button" onPress={onRetry}>
        <Icon name="renew" />
        Try again
      </Button>
    </Alone>
  );
}
