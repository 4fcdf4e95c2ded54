/** What a worker counts between two reports. Label values are joined by a line feed, which stands in none of them. */
import type { WorkerCounters } from '../ipc/messages.ts';
import type { ExchangeRecord } from '../proxy/record.ts';
import type { TunnelSummary } from '../tcp/tcp-front.ts';
import { Histogram, type HistogramCounts } from './histogram.ts';

/** Routes with numbers of their own; those beyond are counted together, so that memory and scrapes stay bounded. */
const mostRoutes = 1_000;
const otherRoutes = 'other';

export class Counters {
  connections = 0;
  /** By name of the route; requests without one are under the empty name. */
  readonly #routes = new Map<string, RouteCounts>();
  readonly #backendDurations = new Map<string, Histogram>();
  readonly #handshakes = new Map<string, number>();
  readonly #handshakeFailures = new Map<string, number>();
  readonly #backendFailures = new Map<string, number>();
  readonly #limits = new Map<string, number>();
  readonly #tunnels = new Map<string, number>();
  readonly #tunnelBytes = new Map<string, number>();

  exchange({ connection, route, status, durationMs, backend, backendMs }: ExchangeRecord): void {
    const counts = this.#countsOf(route === undefined ? '' : bounded(this.#routes, route));
    counts.add(connection.protocol, status);
    if (route !== undefined) counts.durations.observe(durationMs);
    if (backend !== undefined && backendMs !== undefined)
      histogram(this.#backendDurations, bounded(this.#backendDurations, backend)).observe(backendMs);
  }

  /** Answered before it was read as a request. */
  refused(protocol: 'https' | 'http', status: number): void {
    this.#countsOf('').add(protocol, status);
  }

  handshake({ version, cipher, resumed }: { version: string; cipher: string; resumed: boolean }): void {
    add(this.#handshakes, `${version}\n${cipher}\n${resumed ? 'true' : 'false'}`);
  }

  handshakeFailed(reason: string): void {
    add(this.#handshakeFailures, reason);
  }

  backendFailed(backend: string, reason: string): void {
    add(this.#backendFailures, `${bounded(this.#backendDurations, backend)}\n${reason}`);
  }

  limited(limit: string): void {
    add(this.#limits, limit);
  }

  tunnel({ kind, backend, reason, receivedBytes, sentBytes }: TunnelSummary): void {
    const name = bounded(this.#backendDurations, backend);
    add(this.#tunnels, `${kind}\n${name}\n${reason}`);
    add(this.#tunnelBytes, `${name}\nreceived`, receivedBytes);
    add(this.#tunnelBytes, `${name}\nsent`, sentBytes);
  }

  #countsOf(name: string): RouteCounts {
    let found = this.#routes.get(name);
    if (found === undefined) this.#routes.set(name, (found = new RouteCounts()));
    return found;
  }

  /** The counts since the last call. */
  take(): WorkerCounters {
    const requests: Record<string, number> = {};
    const durations: Record<string, HistogramCounts> = {};
    for (const [name, counts] of this.#routes) {
      counts.list(name, requests);
      if (counts.durations.used) durations[name] = counts.durations.take();
    }
    this.#routes.clear();
    return {
      requests,
      durations,
      backendDurations: drainHistograms(this.#backendDurations),
      handshakes: drain(this.#handshakes),
      handshakeFailures: drain(this.#handshakeFailures),
      backendFailures: drain(this.#backendFailures),
      limits: drain(this.#limits),
      tunnels: drain(this.#tunnels),
      tunnelBytes: drain(this.#tunnelBytes),
      connections: this.connections,
    };
  }
}

/** Requests of one route: counted without making a string for each. */
class RouteCounts {
  readonly durations = new Histogram();
  /** By class of the status: 0 where the client went away first. */
  readonly #requests = { https: emptyClasses(), http: emptyClasses() };

  add(protocol: 'https' | 'http', status: number): void {
    const classes = this.#requests[protocol];
    const one = Math.floor(status / 100);
    classes[one] = (classes[one] as number) + 1;
  }

  /** Adds them as `protocol`, `name` and `2xx` or `none`, joined. */
  list(name: string, all: Record<string, number>): void {
    for (const protocol of ['https', 'http'] as const)
      for (const [one, count] of this.#requests[protocol].entries())
        if (count > 0) all[`${protocol}\n${name}\n${one === 0 ? 'none' : `${one}xx`}`] = count;
  }
}

/** A status has three digits. */
function emptyClasses(): number[] {
  return Array.from({ length: 10 }, () => 0);
}

function bounded(known: ReadonlyMap<string, unknown>, name: string): string {
  return known.size < mostRoutes || known.has(name) ? name : otherRoutes;
}

function histogram(all: Map<string, Histogram>, name: string): Histogram {
  let found = all.get(name);
  if (found === undefined) all.set(name, (found = new Histogram()));
  return found;
}

function add(counts: Map<string, number>, key: string, number = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + number);
}

function drain(counts: Map<string, number>): Record<string, number> {
  const result = Object.fromEntries(counts);
  counts.clear();
  return result;
}

function drainHistograms(all: Map<string, Histogram>): Record<string, HistogramCounts> {
  const result: Record<string, HistogramCounts> = {};
  for (const [name, one] of all) result[name] = one.take();
  all.clear();
  return result;
}
