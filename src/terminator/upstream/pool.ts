import { connect } from 'node:net';
import type { Backend } from '../../core/backend.ts';
import { CertplaneError } from '../../core/errors.ts';
import type {
  BackendCall,
  BackendEvents,
  BackendRequest,
  Backends,
  CallerConnection,
  ConnectEvents,
} from './backend.ts';
import { Http1Call } from './call.ts';
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
  readonly origin: Origin;
  readonly #limits: PoolLimits;
  readonly #idle: BackendConnection[] = [];
  readonly #open = new Set<BackendConnection>();
  #closed = false;

  constructor(origin: Origin, limits: PoolLimits) {
    this.origin = origin;
    this.#limits = limits;
  }

  get endpoint(): string {
    return `${this.origin.host}:${this.origin.port}`;
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
    const connection = new BackendConnection(this.origin, this.#limits.connectTimeoutMs, (gone) => this.#forget(gone));
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

/** All backends of a worker. */
export class BackendPools implements Backends {
  readonly #pools = new Map<string, OriginPool>();
  #backends: Readonly<Record<string, Backend>>;

  constructor(backends: Readonly<Record<string, Backend>>) {
    this.#backends = backends;
  }

  call(name: string, request: BackendRequest, events: BackendEvents): BackendCall {
    const backend = this.#of(name);
    return new Http1Call(this.#pool(name, backend), request, events, backend.timeouts.idleMs);
  }

  connect(name: string, _connection: CallerConnection, events: ConnectEvents): { abort(): void } {
    const backend = this.#of(name);
    const pool = this.#pool(name, backend);
    const socket = connect({ ...pool.origin, noDelay: true, timeout: backend.timeouts.connectMs });
    socket.once('connect', () => events.onConnected(socket, pool.endpoint));
    socket.once('error', (error) => events.onFailure('backend-refused', error.message));
    return { abort: () => socket.destroy() };
  }

  update(backends: Readonly<Record<string, Backend>>): void {
    this.#backends = backends;
    for (const [name, pool] of this.#pools) {
      if (name in backends) continue;
      pool.close();
      this.#pools.delete(name);
    }
  }

  destroy(): void {
    for (const pool of this.#pools.values()) pool.destroy();
  }

  #of(name: string): Backend {
    const backend = this.#backends[name];
    if (backend === undefined) throw new CertplaneError('internal.unexpected', `There is no backend ${name}.`);
    return backend;
  }

  #pool(name: string, backend: Backend): OriginPool {
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      const [endpoint] = backend.endpoints;
      if (endpoint === undefined || !('host' in endpoint))
        throw new CertplaneError('internal.unexpected', `Backend ${name} has no address.`);
      const limits = { connectTimeoutMs: backend.timeouts.connectMs, maxIdle: backend.maxIdle };
      pool = new OriginPool({ host: endpoint.host, port: endpoint.port }, limits);
      this.#pools.set(name, pool);
    }
    return pool;
  }
}
