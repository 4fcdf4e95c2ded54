import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';

export interface Bound {
  readonly clock: Clock;
  readonly limitMs: number;
  /** For the error's sentence: what took too long. */
  readonly what: string;
}

/** Runs `work` with a signal that also ends after `limitMs`; then throws `issuer.timeout`. */
export async function bounded<T>(
  { clock, limitMs, what }: Bound,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const over = new AbortController();
  const timer = clock.sleep(limitMs, AbortSignal.any([signal, over.signal])).then(
    () => late.abort(),
    () => undefined, // ended by one of its two signals
  );
  try {
    return await work(AbortSignal.any([signal, late.signal]));
  } catch (error) {
    if (late.signal.aborted && !signal.aborted) {
      throw new CertplaneError('issuer.timeout', `${what} took longer than ${limitMs / 1000} s.`, { cause: error });
    }
    throw error;
  } finally {
    over.abort();
    await timer;
  }
}
