import type { ReactNode } from 'react';
import { Failure, NoticeBox } from './notice.tsx';

interface LoadedProps<T> {
  /** A query of TanStack Query, or what it has of one. */
  readonly query: {
    readonly data: T | undefined;
    readonly error: Error | null;
    readonly refetch: () => Promise<unknown>;
  };
  readonly what: string;
  /** Shown the first time only, in the shape of what comes. */
  readonly skeleton: ReactNode;
  readonly children: (data: T) => ReactNode;
}

/** First load, failure, data; what was read once stays on the screen when reading it again fails. */
export function Loaded<T>({ query, what, skeleton, children }: LoadedProps<T>) {
  const { data, error, refetch } = query;
  if (data === undefined) {
    return error === null ? skeleton : <Failure what={what} error={error} onRetry={() => void refetch()} />;
  }
  return (
    <>
      {error !== null && (
        <NoticeBox tone="warn" icon="alert">
          What you see may be old: {error.message}
        </NoticeBox>
      )}
      {children(data)}
    </>
  );
}

/** Grey lines in place of text, with the words for those who do not see them. */
export function Skeleton({ lines }: { readonly lines: number }) {
  return (
    <output className="skeleton">
      <span className="hidden">Loading</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className="bone" />
      ))}
    </output>
  );
}
