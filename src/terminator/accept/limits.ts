import type { TerminatorLimits } from '../../core/terminator.ts';
import { clientOf } from './networks.ts';

/** Why a connection was not served, or not yet. */
export type LimitReason = 'connections' | 'connections-per-client' | 'handshakes-per-second';

type ConnectionLimits = Pick<TerminatorLimits, 'connections' | 'connectionsPerClient' | 'handshakesPerSecond'>;

/** A connection that no limit counts. */
export const uncounted = '';

export interface LimitsDeps {
  /** Milliseconds that never go back. */
  readonly now: () => number;
  onLimit(reason: LimitReason): void;
  /** True: nothing more is to be accepted; false: it is again. Never twice the same. */
  onFull(full: boolean): void;
}

/**
 * Connections, connections of one client, and handshakes, counted for one worker. A limit of 0 does not exist and
 * counts nothing; one that is set later begins to count with the connections that come then.
 */
export class Limits {
  readonly #deps: LimitsDeps;
  #limits: ConnectionLimits;
  #open = 0;
  #full = false;
  readonly #clients = new Map<string, number>();
  /** Handshakes that may begin now: at most those of one second. */
  #tokens: number;
  #filledAt: number;

  constructor(limits: ConnectionLimits, deps: LimitsDeps) {
    this.#limits = limits;
    this.#deps = deps;
    this.#tokens = limits.handshakesPerSecond;
    this.#filledAt = deps.now();
  }

  get open(): number {
    return this.#open;
  }

  configure(limits: ConnectionLimits): void {
    this.#fill();
    const before = this.#limits.handshakesPerSecond;
    this.#limits = limits;
    const rate = limits.handshakesPerSecond;
    this.#tokens = before === 0 ? rate : Math.min(this.#tokens, rate);
    this.#setFull();
  }

  /** One has been accepted. */
  opened(): void {
    this.#open += 1;
    this.#setFull();
  }

  closed(): void {
    this.#open -= 1;
    this.#setFull();
  }

  /** Counts a connection of the client. What to `release` when it has gone; undefined: the client has too many. */
  admit(address: string): string | undefined {
    const most = this.#limits.connectionsPerClient;
    if (most === 0) return uncounted;
    const client = clientOf(address);
    const count = this.#clients.get(client) ?? 0;
    if (count >= most) {
      this.#deps.onLimit('connections-per-client');
      return undefined;
    }
    this.#clients.set(client, count + 1);
    return client;
  }

  release(client: string): void {
    if (client === uncounted) return;
    const left = (this.#clients.get(client) ?? 1) - 1;
    if (left === 0) this.#clients.delete(client);
    else this.#clients.set(client, left);
  }

  /** Whether another handshake may begin. */
  admitHandshake(): boolean {
    if (this.#limits.handshakesPerSecond === 0) return true;
    this.#fill();
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    this.#deps.onLimit('handshakes-per-second');
    return false;
  }

  #fill(): void {
    const rate = this.#limits.handshakesPerSecond;
    const now = this.#deps.now();
    this.#tokens = Math.min(rate, this.#tokens + ((now - this.#filledAt) * rate) / 1000);
    this.#filledAt = now;
  }

  /** Some room is made before anything is accepted again, because listening again is not for nothing. */
  #setFull(): void {
    const most = this.#limits.connections;
    const room = this.#full ? Math.max(1, most >> 5) : 1;
    const full = most > 0 && this.#open > most - room;
    if (full === this.#full) return;
    this.#full = full;
    if (full) this.#deps.onLimit('connections');
    this.#deps.onFull(full);
  }
}
