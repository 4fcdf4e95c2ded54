import { BackendConnection, type Origin } from './connection.ts';

/** Without a hint of the backend's own; shorter than what common servers allow, so that we close first. */
const defaultIdleMs = 4_000;
/** A backend's hint is taken with this much to spare, for a request on its way. */
const idleMarginMs = 1_000;
const longestIdleMs = 60_000;

export interface PoolLimits {
  connectTimeoutMs: number;
  /** Idle connections kept per origin. */
  maxIdle: number;
}

/** Connections to one origin; the one used last is used first, so that the rest can age. */
export class OriginPool {
  readonly #origin: Origin;
  readonly #limits: PoolLimits;
  readonly #idle: BackendConnection[] = [];
  readonly #open = new Set<BackendConnection>();
  #closed = false;

  constructor(origin: Origin, limits: PoolLimits) {
    this.#origin = origin;
    this.#limits = limits;
  }

  /** An idle connection, or undefined. */
  takeIdle(): BackendConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.clean) return connection;
      connection.destroy();
    }
    return undefined;
  }

  open(): BackendConnection {
    const connection = new BackendConnection(this.#origin, this.#limits.connectTimeoutMs, (gone) => this.#forget(gone));
    this.#open.add(connection);
    return connection;
  }

  /**
   * Takes a connection back whose request and response both ended on their framing. It is offered again only after the
   * event loop has polled once more, so that bytes sent behind the response are seen first (DESIGN §5.13).
   */
  giveBack(connection: BackendConnection): void {
    connection.release();
    const idleMs = Math.min((connection.keepAliveMs ?? defaultIdleMs + idleMarginMs) - idleMarginMs, longestIdleMs);
    if (this.#closed || idleMs <= 0 || this.#idle.length >= this.#limits.maxIdle || !connection.clean) {
      connection.destroy();
      return;
    }
    connection.socket.setTimeout(idleMs);
    setImmediate(() => setImmediate(() => this.#offer(connection)));
  }

  /** Idle connections go now, those in use when they are given back. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** Ends every connection, in use or not. */
  destroy(): void {
    this.close();
    for (const connection of this.#open) connection.socket.destroy();
  }

  #offer(connection: BackendConnection): void {
    if (this.#closed || !connection.clean) {
      connection.destroy();
      return;
    }
    this.#idle.push(connection);
  }

  #forget(connection: BackendConnection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

/** One pool per origin in the routes. */
export class BackendPools {
  readonly limits: PoolLimits;
  readonly #pools = new Map<string, OriginPool>();

  constructor(limits: PoolLimits) {
    this.limits = limits;
  }

  /** `origin`: `http://host:port`. */
  of(origin: string): OriginPool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      const url = new URL(origin);
      pool = new OriginPool({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) }, this.limits);
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** Keeps the pools of these origins; the others empty themselves. */
  retain(origins: ReadonlySet<string>): void {
    for (const [origin, pool] of this.#pools) {
      if (origins.has(origin)) continue;
      pool.close();
      this.#pools.delete(origin);
    }
  }

  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy();
  }
}
