import type { Registry } from 'prom-client';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { ListenAddress } from '../core/terminator.ts';
import { createMetricsServer, type MetricsServer } from '../observe/metrics-server.ts';

export interface MetricsAddressDeps {
  readonly registry: Registry;
  /** Names that routes serve. */
  readonly hosts: () => Iterable<string>;
  /** Listening, and certificates are in effect. */
  readonly ready: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** The metrics address that settings name, which may change. */
export class MetricsAddress implements AsyncDisposable {
  readonly #deps: MetricsAddressDeps;
  #server: MetricsServer | undefined;
  #key = '';

  constructor(deps: MetricsAddressDeps) {
    this.#deps = deps;
  }

  get port(): number | undefined {
    return this.#server === undefined ? undefined : Number(new URL(this.#server.address).port || 80);
  }

  /**
   * Moves there; does nothing when it is there already. Rejects with `terminator.address-in-use` or
   * `terminator.address-forbidden`, and tries anew when called again.
   */
  async serve(listen: ListenAddress | undefined, signal: AbortSignal): Promise<void> {
    const key = listen === undefined ? '' : `${listen.host} ${listen.port}`;
    if (key === this.#key) return;
    await this[Symbol.asyncDispose]();
    if (listen === undefined) return;
    const server = createMetricsServer({ ...this.#deps, listen });
    await server.start(signal);
    this.#server = server;
    this.#key = key;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#key = '';
    await server?.[Symbol.asyncDispose]();
  }
}
