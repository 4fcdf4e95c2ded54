import type { Socket } from 'node:net';
import type { BackendFailure, CallerConnection } from './backend.ts';
import { dial, type DialTarget } from './dial.ts';
import type { Pulse } from './pulse.ts';
import { stopping, type TransportLimits } from './transport.ts';
import { WaitingLine } from './waiting-line.ts';

export interface LaneWaiter {
  readonly caller: CallerConnection;
  onSocket(socket: Socket): void;
  onNone(failure: BackendFailure, detail: string): void;
}

/** Sockets to one endpoint that are given away: tcp and passthrough. Nothing is kept. */
export class Lane {
  readonly #target: DialTarget;
  readonly #limits: () => TransportLimits;
  readonly #line: WaitingLine<LaneWaiter>;
  readonly #dials = new Map<LaneWaiter, { abort(): void }>();
  readonly #sockets = new Set<Socket>();
  #destroyed = false;

  constructor(target: DialTarget, pulse: Pulse, limits: () => TransportLimits) {
    this.#target = target;
    this.#limits = limits;
    this.#line = new WaitingLine(pulse, () => limits().connectMs);
  }

  get open(): number {
    return this.#dials.size + this.#sockets.size;
  }

  get full(): boolean {
    const { maxConnections } = this.#limits();
    return maxConnections > 0 && this.open >= maxConnections;
  }

  /** Exactly one of the waiter's callbacks follows, unless it cancels. */
  acquire(waiter: LaneWaiter): void {
    if (this.#destroyed) {
      waiter.onNone(...stopping);
      return;
    }
    if (this.full) {
      this.#line.push(waiter);
      return;
    }
    const opening = dial(
      this.#target,
      { caller: waiter.caller, allowHalfOpen: true },
      {
        onConnected: (socket) => {
          this.#dials.delete(waiter);
          this.#sockets.add(socket);
          socket.once('close', () => {
            this.#sockets.delete(socket);
            this.#next();
          });
          waiter.onSocket(socket);
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

  cancel(waiter: LaneWaiter): void {
    if (this.#line.remove(waiter)) return;
    this.#dials.get(waiter)?.abort();
    if (this.#dials.delete(waiter)) this.#next();
  }

  destroy(): void {
    this.#destroyed = true;
    this.#line.dismiss(...stopping);
    for (const [waiter, opening] of this.#dials) {
      this.#dials.delete(waiter);
      opening.abort();
      waiter.onNone(...stopping);
    }
    for (const socket of this.#sockets) socket.destroy();
  }

  #next(): void {
    const waiter = this.full ? undefined : this.#line.shift();
    if (waiter !== undefined) this.acquire(waiter);
  }
}
