/** What lies between a call and the wire: carriers of requests, and where they come from. */
import type { Duplex } from 'node:stream';
import type { BackendFailure, BackendRequest, BackendResponseHead } from './backend.ts';

/** What a carrier tells the call that it works for. */
export interface CarrierOwner {
  /** The head is on its way: the body may follow. */
  onReady(): void;
  onDrain(): void;
  onInformational(head: BackendResponseHead): void;
  onHead(head: BackendResponseHead): void;
  onData(chunk: Buffer, release: (() => void) | undefined): void;
  onTurn(): void;
  onEnd(trailers: readonly string[]): void;
  onUpgrade(head: BackendResponseHead, stream: Duplex): void;
  /** Instead of `onEnd`. `untouched`: the backend has surely not begun with the request. */
  onLost(failure: BackendFailure, detail: string, untouched: boolean): void;
}

/** Takes one request to an endpoint and brings its answer: an HTTP/1.1 connection, or an HTTP/2 stream. */
export interface Carrier {
  /** Its connection has served before: an end without an answer may only mean that the backend had closed it already. */
  readonly reused: boolean;
  send(request: BackendRequest, owner: CarrierOwner): void;
  /** False: wait for `onDrain`. */
  write(chunk: Buffer, release: (() => void) | undefined): boolean;
  finish(trailers: readonly string[]): void;
  pause(): void;
  resume(): void;
  /** No event follows. */
  abort(): void;
}

export interface Waiter {
  readonly request: BackendRequest;
  onCarrier(carrier: Carrier): void;
  /** There is none, and nothing was sent. */
  onNone(failure: BackendFailure, detail: string): void;
}

export interface TransportLimits {
  /** Open connections; 0: no limit. */
  readonly maxConnections: number;
  /** Kept while nobody uses them. */
  readonly maxIdle: number;
  /** Until connected, and as long for a connection to become free. */
  readonly connectMs: number;
  /** From the whole request sent to the first byte of the answer; 0: `idleMs` alone. */
  readonly firstByteMs: number;
  readonly idleMs: number;
}

/** What waiters hear when all connections end. */
export const stopping: readonly [BackendFailure, string] = ['backend-unavailable', 'the terminator is stopping'];

/** The connections to one endpoint. */
export interface Transport {
  /** Open connections, those being opened included. */
  readonly open: number;
  /** The next request has to wait. */
  readonly full: boolean;
  /** Exactly one of the waiter's callbacks follows, possibly at once. `fresh`: on a connection not used before. */
  acquire(waiter: Waiter, fresh: boolean): void;
  /** The waiter is no longer interested. */
  cancel(waiter: Waiter): void;
  /** A carrier outside the pool, for a health check. Returns what ends the attempt. */
  probe(waiter: Waiter): { abort(): void };
  /** Idle connections end now, those in use when they are given back. */
  close(): void;
  /** Ends every connection. */
  destroy(): void;
}
