import type { Choice } from './balance/balance.ts';
import { hashText } from './balance/hash.ts';
import type { SocketAddress } from './dial.ts';
import { ActiveHealthState } from './health/active.ts';
import { PassiveHealthState } from './health/passive.ts';
import type { Lane } from './lane.ts';
import type { Transport } from './transport.ts';

export interface EndpointOptions {
  /** Tells it from all others of its backend; the same for as long as the settings name it. */
  readonly key: string;
  /** The endpoint of the settings that it comes from: addresses of one name have this in common. */
  readonly origin: string;
  readonly address: SocketAddress;
  /** Host of a health check's request. */
  readonly authority: string;
  readonly transport: Transport;
  readonly lane: Lane;
}

/** One address of a backend, with its connections and what is known of its health. */
export class Endpoint implements Choice {
  readonly key: string;
  readonly origin: string;
  /** `10.0.0.2:80`, `[::1]:80`, `unix:/run/app.sock`. */
  readonly label: string;
  readonly seed: number;
  readonly authority: string;
  readonly transport: Transport;
  readonly lane: Lane;
  readonly checked = new ActiveHealthState();
  readonly passive = new PassiveHealthState();
  weight = 0;
  /** How much of its share it gets, up to 1: see slow start. */
  ramp = 1;
  /** Counts slow starts, so that a later one ends an earlier one. */
  ramps = 0;
  credit = 0;
  active = 0;
  /** So far. */
  requests = 0;
  /** What failed last. */
  failure = '';
  /** It is no longer part of the backend. */
  readonly gone = new AbortController();

  constructor({ key, origin, address, authority, transport, lane }: EndpointOptions) {
    this.key = key;
    this.origin = origin;
    this.label = labelOf(address);
    this.seed = hashText(key);
    this.authority = authority;
    this.transport = transport;
    this.lane = lane;
  }

  get share(): number {
    return this.weight * this.ramp;
  }

  get open(): number {
    return this.transport.open + this.lane.open;
  }

  get full(): boolean {
    return this.transport.full || this.lane.full;
  }

  began(): void {
    this.active += 1;
    this.requests += 1;
    this.passive.began();
  }

  /** Idle connections end, those in use when they are done. */
  close(): void {
    this.gone.abort();
    this.transport.close();
  }

  destroy(): void {
    this.gone.abort();
    this.transport.destroy();
    this.lane.destroy();
  }
}

export function labelOf(address: SocketAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
