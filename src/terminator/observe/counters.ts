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
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();
  readonly #backendDurations = new Map<string, Histogram>();
  readonly #handshakes = new Map<string, number>();
  readonly #handshakeFailures = new Map<string, number>();
  readonly #backendFailures = new Map<string, number>();
  readonly #limits = new Map<string, number>();
  readonly #tunnels = new Map<string, number>();
  readonly #tunnelBytes = new Map<string, number>();

  exchange({ connection, route, status, durationMs, backend, backendMs }: ExchangeRecord): void {
    const name = route === undefined ? '' : bounded(this.#durations, route);
    add(this.#requests, `${connection.protocol}\n${name}\n${statusClass(status)}`);
    if (route !== undefined) histogram(this.#durations, name).observe(durationMs);
    if (backend !== undefined && backendMs !== undefined)
      histogram(this.#backendDurations, bounded(this.#backendDurations, backend)).observe(backendMs);
  }

  /** Answered before it was read as a request. */
  refused(protocol: 'https' | 'http', status: number): void {
    add(this.#requests, `${protocol}\n\n${statusClass(status)}`);
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

  /** The counts since the last call. */
  take(): WorkerCounters {
    return {
      requests: drain(this.#requests),
      durations: drainHistograms(this.#durations),
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

/** `2xx`; `none` where the client went away first. */
function statusClass(status: number): string {
  return status === 0 ? 'none' : `${Math.floor(status / 100)}xx`;
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
