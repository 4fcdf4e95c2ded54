import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';

/** Runs work under a signal that also ends after `ms` on the clock; throws `issuer.timeout` when that was the reason. */
export async function withDeadline<T>(
  limit: { readonly clock: Clock; readonly ms: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  limit.signal.throwIfAborted();
  const expired = new AbortController();
  const finished = new AbortController();
  const timer = limit.clock.sleep(limit.ms, finished.signal).then(
    () => expired.abort(),
    (error: unknown) => {
      if (!finished.signal.aborted) expired.abort(error);
    },
  );
  try {
    return await work(AbortSignal.any([limit.signal, expired.signal]));
  } catch (cause) {
    if (!expired.signal.aborted || limit.signal.aborted) throw cause;
    throw new CertplaneError('issuer.timeout', 'There was no complete answer in time.', { cause });
  } finally {
    finished.abort();
    await timer;
  }
}
