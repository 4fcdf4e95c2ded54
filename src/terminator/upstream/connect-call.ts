import type { Socket } from 'node:net';
import type { BackendFailure, CallerConnection, ConnectEvents } from './backend.ts';
import type { Endpoint } from './endpoint.ts';
import type { BackendGroup } from './group.ts';
import type { LaneWaiter } from './lane.ts';

/** A socket to some endpoint of a backend; where one cannot be reached, the next is tried. */
export class ConnectCall implements LaneWaiter {
  readonly caller: CallerConnection;
  readonly #group: BackendGroup;
  readonly #events: ConnectEvents;
  readonly #tried: Endpoint[] = [];
  #endpoint: Endpoint | undefined;
  #retries: number;
  /** Other addresses of a name are no retries. */
  #free = 3;
  #waiting: NodeJS.Timeout | undefined;
  #admitted = false;
  #over = false;

  constructor(group: BackendGroup, caller: CallerConnection, events: ConnectEvents) {
    this.#group = group;
    this.caller = caller;
    this.#events = events;
    this.#retries = group.backend.retries;
  }

  start(): void {
    if (this.#over) return;
    if (!this.#group.admit()) {
      this.#over = true;
      const detail = `${this.#group.backend.maxRequests} connections are open already`;
      this.#events.onFailure('backend-overloaded', detail);
      return;
    }
    this.#admitted = true;
    if (this.#group.known) {
      this.#choose();
      return;
    }
    this.#waiting = setTimeout(() => this.#choose(), this.#group.backend.timeouts.connectMs);
    this.#group.endpoints.whenKnown(() => this.#choose());
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#waiting);
    const endpoint = this.#endpoint;
    if (endpoint !== undefined) {
      endpoint.lane.cancel(this);
      this.#group.settle(endpoint, 'unresolved');
    }
    if (this.#admitted) this.#group.dismiss();
  }

  onSocket(socket: Socket): void {
    this.#over = true;
    const endpoint = this.#endpoint as Endpoint;
    this.#group.judge(endpoint, 'answered');
    socket.once('close', () => {
      this.#group.settle(endpoint, 'unresolved');
      this.#group.dismiss();
    });
    this.#events.onConnected(socket, endpoint.label);
  }

  onNone(failure: BackendFailure, detail: string): void {
    if (this.#over) return;
    const endpoint = this.#endpoint as Endpoint;
    const full = failure === 'backend-overloaded' || failure === 'backend-unavailable';
    this.#group.settle(endpoint, full ? 'unresolved' : 'failed', `${failure}: ${detail}`);
    this.#endpoint = undefined;
    this.#tried.push(endpoint);
    const next = full ? undefined : this.#next(endpoint);
    if (next === undefined) this.#fail(failure, detail);
    else this.#go(next);
  }

  #next(failed: Endpoint): Endpoint | undefined {
    const input = { connection: this.caller };
    if (this.#free > 0) {
      const sibling = this.#group.pick(input, this.#tried, failed.origin);
      this.#free -= 1;
      if (sibling !== undefined) return sibling;
    }
    if (this.#retries === 0) return undefined;
    this.#retries -= 1;
    return this.#group.pick(input, this.#tried);
  }

  #choose(): void {
    if (this.#over || this.#endpoint !== undefined) return;
    clearTimeout(this.#waiting);
    const endpoint = this.#group.pick({ connection: this.caller });
    if (endpoint !== undefined) this.#go(endpoint);
    else {
      const { failure, detail } = this.#group.problem;
      this.#fail(failure, detail);
    }
  }

  #go(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    endpoint.lane.acquire(this);
  }

  #fail(failure: BackendFailure, detail: string): void {
    this.#over = true;
    this.#group.dismiss();
    this.#events.onFailure(failure, detail);
  }
}
