import { CertplaneError } from './errors.ts';
import type { Clock } from './ports/clock.ts';

export interface Deadline {
  readonly clock: Clock;
  readonly ms: number;
  readonly signal: AbortSignal;
  /** For the error's sentence: who took too long. */
  readonly what: string;
}

/** Runs work under a signal that also ends after `ms` on the clock; throws `issuer.timeout` when that was the reason. */
export async function withDeadline<T>(limit: Deadline, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, ms, signal, what } = limit;
  signal.throwIfAborted();
  const expired = new AbortController();
  const finished = new AbortController();
  const timer = clock.sleep(ms, finished.signal).then(
    () => expired.abort(),
    (error: unknown) => {
      if (!finished.signal.aborted) expired.abort(error);
    },
  );
  try {
    return await work(AbortSignal.any([signal, expired.signal]));
  } catch (cause) {
    if (!expired.signal.aborted || signal.aborted) throw cause;
    throw new CertplaneError('issuer.timeout', `${what} did not end within ${ms / 1000} s.`, { cause });
  } finally {
    finished.abort();
    await timer;
  }
}
