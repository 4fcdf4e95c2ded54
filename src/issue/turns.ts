import { CertplaneError } from '../core/errors.ts';

/** Runs tasks one after another in the order of asking; whoever is aborted while waiting leaves the queue at once. */
export function createTurns(): <T>(task: () => Promise<T>, signal: AbortSignal) => Promise<T> {
  let last: Promise<void> = Promise.resolve();
  return async (task, signal) => {
    const previous = last;
    const done = Promise.withResolvers<void>();
    last = done.promise;
    try {
      await unlessAborted(previous, signal);
    } catch (error) {
      void previous.then(done.resolve); // those behind still wait for those ahead
      throw error;
    }
    try {
      return await task();
    } finally {
      done.resolve();
    }
  };
}

/** Throws `process.aborted`. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new CertplaneError('process.aborted', 'The issuance was interrupted.', { cause: signal.reason });
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const aborted = Promise.withResolvers<void>();
  const listening = new AbortController();
  signal.addEventListener('abort', () => aborted.resolve(), { once: true, signal: listening.signal });
  await Promise.race([promise, aborted.promise]);
  listening.abort();
  throwIfAborted(signal);
}
