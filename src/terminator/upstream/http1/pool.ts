import type { CallerConnection } from '../backend.ts';
import { dial, type DialTarget } from '../dial.ts';
import type { Pulse } from '../pulse.ts';
import { stopping, type Transport, type TransportLimits, type Waiter } from '../transport.ts';
import { WaitingLine } from '../waiting-line.ts';
import { Http1Connection, type ConnectionKeeper } from './connection.ts';
import type { Rest } from './rest.ts';

/** Without a hint of the backend's own; shorter than what common servers allow, so that we close first. */
const defaultIdleMs = 4_000;
/** A backend's hint is taken with this much to spare, for a request on its way. */
const idleMarginMs = 1_000;
const longestIdleMs = 60_000;

export interface PoolOptions {
  readonly target: DialTarget;
  readonly pulse: Pulse;
  readonly limits: () => TransportLimits;
}

/** HTTP/1.1 connections to one endpoint; the one used last is used first, so that the rest can age. */
export class Http1Pool implements Transport, ConnectionKeeper {
  readonly pulse: Pulse;
  readonly limits: () => TransportLimits;
  readonly #target: DialTarget;
  readonly #rest: Rest;
  readonly #idle: Http1Connection[] = [];
  readonly #connections = new Set<Http1Connection>();
  readonly #dials = new Map<Waiter, { abort(): void }>();
  readonly #line: WaitingLine<Waiter>;
  /** Connections that will be idle in the next turn. */
  #resting = 0;
  #closed = false;
  #destroyed = false;

  constructor({ target, pulse, limits }: PoolOptions, rest: Rest) {
    this.#target = target;
    this.pulse = pulse;
    this.limits = limits;
    this.#rest = rest;
    this.#line = new WaitingLine(pulse, () => limits().connectMs);
  }

  get open(): number {
    return this.#connections.size + this.#dials.size;
  }

  get full(): boolean {
    const { maxConnections } = this.limits();
    return maxConnections > 0 && this.#idle.length + this.#resting === 0 && this.open >= maxConnections;
  }

  acquire(waiter: Waiter, fresh: boolean): void {
    if (this.#destroyed) {
      waiter.onNone(...stopping);
      return;
    }
    const { upgrade, connection } = waiter.request;
    const idle = fresh || upgrade !== undefined ? undefined : this.#takeIdle(connection);
    if (idle !== undefined) {
      waiter.onCarrier(idle);
      return;
    }
    const { maxConnections } = this.limits();
    if (maxConnections > 0 && this.open >= maxConnections) {
      // One that is idle and cannot serve this request gives way to one that can.
      if (this.#idle.length === 0) {
        this.#line.push(waiter);
        return;
      }
      this.#drop(this.#idle.shift() as Http1Connection);
    }
    this.#open(waiter);
  }

  cancel(waiter: Waiter): void {
    if (this.#line.remove(waiter)) return;
    this.#dials.get(waiter)?.abort();
    if (this.#dials.delete(waiter)) this.#next();
  }

  probe(waiter: Waiter): { abort(): void } {
    const keeper: ConnectionKeeper = {
      pulse: this.pulse,
      limits: this.limits,
      giveBack: (connection) => connection.destroy(),
      onRested: () => undefined,
      onGone: () => undefined,
    };
    const connection = new Http1Connection(keeper, undefined);
    const { reading } = connection;
    return dial(
      this.#target,
      { caller: undefined, reading },
      {
        onConnected: (socket) => {
          connection.attach(socket, false);
          waiter.onCarrier(connection);
        },
        onFailure: (failure, detail) => waiter.onNone(failure, detail),
      },
    );
  }

  giveBack(connection: Http1Connection): void {
    const idleMs = Math.min((connection.keepAliveMs ?? defaultIdleMs + idleMarginMs) - idleMarginMs, longestIdleMs);
    if (this.#closed || idleMs <= 0) {
      connection.destroy();
      return;
    }
    connection.rest(idleMs);
    this.#resting += 1;
    this.#rest.add(connection);
  }

  /** Nothing more has come behind its response. */
  onRested(connection: Http1Connection): void {
    this.#resting -= 1;
    if (this.#closed || !connection.clean || this.#idle.length >= this.limits().maxIdle) {
      connection.destroy();
      return;
    }
    this.#idle.push(connection);
    if (this.#line.length > 0) this.#next();
  }

  onGone(connection: Http1Connection): void {
    this.#connections.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#next();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  destroy(): void {
    this.#destroyed = true;
    this.close();
    this.#line.dismiss(...stopping);
    for (const [waiter, opening] of this.#dials) {
      this.#dials.delete(waiter);
      opening.abort();
      waiter.onNone(...stopping);
    }
    for (const connection of this.#connections) connection.cut(...stopping);
  }

  #open(waiter: Waiter): void {
    const caller = waiter.request.connection;
    const connection = new Http1Connection(this, this.#target.proxyProtocol === undefined ? undefined : caller);
    // After an upgrade somebody else reads it, as a stream.
    const stream = waiter.request.upgrade !== undefined;
    const opening = dial(
      this.#target,
      { caller, reading: stream ? undefined : connection.reading },
      {
        onConnected: (socket) => {
          this.#dials.delete(waiter);
          this.#connections.add(connection);
          connection.attach(socket, stream);
          waiter.onCarrier(connection);
        },
        onFailure: (failure, detail) => {
          this.#dials.delete(waiter);
          waiter.onNone(failure, detail);
          this.#next();
        },
      },
    );
    this.#dials.set(waiter, opening);
  }

  /** Something became free: the first in line has its turn. */
  #next(): void {
    const { maxConnections } = this.limits();
    const room = maxConnections === 0 || this.open < maxConnections || this.#idle.length > 0;
    const waiter = room ? this.#line.shift() : undefined;
    if (waiter !== undefined) this.acquire(waiter, false);
  }

  #takeIdle(caller: CallerConnection): Http1Connection | undefined {
    if (this.#target.proxyProtocol !== undefined) return this.#takeOwn(caller);
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.clean) return connection;
      connection.destroy();
    }
    return undefined;
  }

  /** A connection that has announced a client serves that client's connection alone. */
  #takeOwn(caller: CallerConnection): Http1Connection | undefined {
    const at = this.#idle.findLastIndex((connection) => connection.caller === caller && connection.clean);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  #drop(connection: Http1Connection): void {
    this.#connections.delete(connection);
    connection.destroy();
  }
}
