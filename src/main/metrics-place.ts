/** Where control's /metrics and /readyz are: moves with the configuration, the new address open before the old one closes. */
import { isDeepStrictEqual } from 'node:util';
import type { Part } from '../core/ports/lifecycle.ts';
import type { ListenAddress } from '../core/terminator.ts';

export class MetricsPlace implements AsyncDisposable {
  readonly #serverAt: (listen: ListenAddress) => Part;
  readonly #stop = new AbortController();
  #open: { readonly listen: ListenAddress; readonly server: Part } | undefined;

  constructor(serverAt: (listen: ListenAddress) => Part) {
    this.#serverAt = serverAt;
  }

  /** Throws what opening the address throws; the old one stays then. */
  async serve(listen: ListenAddress | undefined): Promise<void> {
    const before = this.#open;
    if (isDeepStrictEqual(before?.listen, listen)) return;
    if (listen === undefined) this.#open = undefined;
    else {
      const server = this.#serverAt(listen);
      await server.start(this.#stop.signal);
      this.#open = { listen, server };
    }
    await before?.server[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#open?.server[Symbol.asyncDispose]();
  }
}
