/** Reading what a source says, event by event, with a deadline for each. */
import type { CertificateSource, SourceEvent } from '../../src/core/ports/certificate-source.ts';
import type { WatchClient } from '../../src/kubernetes/watch/api-client.ts';

const deadlineMs = 60_000;

export interface Watching extends AsyncDisposable {
  /** The next event for which `wanted` is true; the ones before it are passed over. What `wanted` throws ends the wait. */
  next(what: string, wanted: (event: SourceEvent) => boolean): Promise<SourceEvent>;
}

/** Reads all the time, as a terminator does. */
export function watchSource(source: CertificateSource): Watching {
  const stop = new AbortController();
  const events: SourceEvent[] = [];
  let arrival = Promise.withResolvers<void>();
  let ended = false;
  const reading = (async () => {
    for await (const event of source.subscribe({ signal: stop.signal })) {
      events.push(event);
      arrival.resolve();
    }
    ended = true;
  })();
  return {
    async next(what, wanted) {
      const deadline = AbortSignal.timeout(deadlineMs);
      deadline.addEventListener('abort', () => arrival.resolve(), { once: true });
      for (;;) {
        for (let event = events.shift(); event !== undefined; event = events.shift()) if (wanted(event)) return event;
        if (ended) throw new Error(`the source ended before: ${what}`);
        if (deadline.aborted) throw new Error(`no event in ${deadlineMs} ms: ${what}`);
        arrival = Promise.withResolvers();
        await Promise.race([arrival.promise, reading]);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
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
