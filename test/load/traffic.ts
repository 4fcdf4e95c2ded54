/** Clients of every kind around the shop, each a process of its own, and what may go wrong for them. */
import { fetchOnce } from '../support/http.ts';
import { startLoad, type Load, type LoadFailure, type LoadOptions } from '../support/load.ts';
import { until } from '../support/until.ts';
import { hosts, type Shop } from './shop.ts';

/** Requests of HTTP/2 open at the same time. */
export const h2Lanes = 6;

/** Long enough that several of these answers are half sent whenever something is killed. */
const streamed = { path: '/stream?chunks=8&bytes=2000&ms=40', bytes: 16_000 };

const kinds: Record<string, Partial<LoadOptions> & Pick<LoadOptions, 'mode'>> = {
  keepalive: { mode: 'keepalive', concurrency: 3, requestsPerConnection: 50, bodyBytes: 200 },
  fresh: { mode: 'new', concurrency: 2 },
  slow: { mode: 'keepalive', concurrency: 4, path: '/slow?ms=150' },
  streams: {
    mode: 'keepalive',
    concurrency: 4,
    path: streamed.path,
    verify: { status: 200, bodyIncludes: 's'.repeat(streamed.bytes) },
  },
  h2: { mode: 'h2', concurrency: h2Lanes, connections: 2, path: '/slow?ms=20', repeatRefused: true },
};

export interface Traffic extends AsyncDisposable {
  /** Every failure so far, in the order in which they happened. */
  failures(): LoadFailure[];
  /** Waits for that many more requests at the backend. */
  more(requests: number): Promise<void>;
  /** Lets the clients finish what is in flight. Returns every failure. */
  stop(): Promise<LoadFailure[]>;
}

/** Starts the clients and waits until they are busy. */
export async function startTraffic(shop: Shop): Promise<Traffic> {
  await using stack = new AsyncDisposableStack();
  const loads: Load[] = [];
  for (const options of Object.values(kinds)) {
    const load = startLoad({
      port: shop.place.https,
      caPem: shop.rootPem,
      servernames: hosts,
      pauseMs: 3,
      requestTimeoutMs: 15_000,
      maxMs: 90_000,
      ...options,
    });
    loads.push(stack.use(load));
  }
  const traffic: Traffic = {
    failures: () => loads.flatMap(({ failures }) => failures).toSorted((a, b) => a.atMs - b.atMs),
    more: async (requests) => {
      const wanted = shop.backend.requests + requests;
      await until(() => shop.backend.requests >= wanted, { timeoutMs: 30_000, what: `${requests} more requests` });
    },
    stop: async () => {
      await Promise.all(loads.map(async (load) => await load.stop()));
      return traffic.failures();
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
  const parts = stack.move();
  await traffic.more(500);
  return traffic;
}

/** A request whose answer takes that long; `complete`: whether all of it came. */
export function longAnswer({ place, rootPem }: Shop, seconds: number): { over: boolean; complete: Promise<boolean> } {
  const chunks = seconds * 20;
  const request = fetchOnce(`https://${hosts[0]}/stream?chunks=${chunks}&bytes=1000&ms=50`, {
    ca: rootPem,
    connectTo: { port: place.https },
  });
  const answer = {
    over: false,
    complete: request.then(({ body }) => {
      answer.over = true;
      return body.length === chunks * 1000;
    }),
  };
  return answer;
}

/** Connections that could not be made, as opposed to requests that were lost. */
export function refused(failures: readonly LoadFailure[]): LoadFailure[] {
  return failures.filter(({ phase }) => phase === 'connect');
}

export function lost(failures: readonly LoadFailure[]): LoadFailure[] {
  return failures.filter(({ phase }) => phase !== 'connect');
}
