/** Reading what a source says, event by event, with a deadline for each. */
import type { CertificateSource, SourceEvent } from '../../src/core/ports/certificate-source.ts';
import type { WatchClient } from '../../src/kubernetes/watch/api-client.ts';

const deadlineMs = 60_000;

export interface Watching extends AsyncDisposable {
  /** The next event for which `wanted` is true; the ones before it are passed over. */
  next(what: string, wanted: (event: SourceEvent) => boolean): Promise<SourceEvent>;
}

export function watchSource(source: CertificateSource): Watching {
  const stop = new AbortController();
  const events = source.subscribe({ signal: stop.signal })[Symbol.asyncIterator]();
  return {
    async next(what, wanted) {
      const timeout = AbortSignal.timeout(deadlineMs);
      const late = new Promise<never>((_, reject) => {
        timeout.addEventListener('abort', () => reject(new Error(`no event in ${deadlineMs} ms: ${what}`)), {
          once: true,
        });
      });
      for (;;) {
        const { value, done } = await Promise.race([events.next(), late]);
        if (done === true) throw new Error(`the source ended before: ${what}`);
        if (wanted(value)) return value;
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await events.return?.();
    },
  };
}

/** The real client, but the server ends each watch after 2 s instead of minutes. `onWatch` is called before each. */
export function shortWatches(client: WatchClient, onWatch: () => void = () => undefined): WatchClient {
  return {
    list: async (path, query, signal) => await client.list(path, query, signal),
    watch: async (path, query, options) => {
      onWatch();
      return await client.watch(path, { ...query, timeoutSeconds: '2' }, options);
    },
    [Symbol.asyncDispose]: async () => await client[Symbol.asyncDispose](),
  };
}

export interface HeldWatch {
  readonly client: WatchClient;
  /** Resolves when the second watch would begin. */
  readonly reached: Promise<void>;
  release(): void;
}

/** The given client, but its second watch begins only when it is released. */
export function holdSecondWatch(client: WatchClient): HeldWatch {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let watches = 0;
  return {
    reached: reached.promise,
    release: released.resolve,
    client: {
      list: async (path, query, signal) => await client.list(path, query, signal),
      watch: async (path, query, options) => {
        watches += 1;
        if (watches === 2) {
          reached.resolve();
          options.signal.addEventListener('abort', () => released.resolve());
          await released.promise;
        }
        return await client.watch(path, query, options);
      },
      [Symbol.asyncDispose]: async () => await client[Symbol.asyncDispose](),
    },
  };
}
