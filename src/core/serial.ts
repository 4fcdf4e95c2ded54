import { CertplaneError } from './errors.ts';

/** Runs work one at a time per key, in the order it was asked for; different keys do not wait for each other. */
export class Serial {
  readonly #tails = new Map<string, Promise<void>>();

  /** With a signal, whoever is aborted while waiting leaves the queue at once: throws `process.aborted`. */
  async run<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    const end = (): void => {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    };
    try {
      await (signal === undefined ? before : unlessAborted(before, signal));
    } catch (error) {
      void before.then(end); // those behind still wait for those ahead
      throw error;
    }
    try {
      return await work();
    } finally {
      end();
    }
  }
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const listening = new AbortController();
  if (signal.aborted) aborted.resolve();
  signal.addEventListener('abort', () => aborted.resolve(), { once: true, signal: listening.signal });
  await Promise.race([promise, aborted.promise]);
  listening.abort();
  if (signal.aborted) throw new CertplaneError('process.aborted', 'It was interrupted.', { cause: signal.reason });
}

/** Runs `work` for every item, at most `limit` at once. The first error ends it, once what is under way has ended. */
export async function eachOf<T>(items: Iterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !failed; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane));
  const broken = lanes.find((one) => one.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}
