import type { Duplex } from 'node:stream';

/**
 * Joins two streams that carry bytes only: each side's data goes to the other as fast as that takes it, each side's end
 * ends the other's input alone, and when one is destroyed or fails, both are. Silence for `idleMs` ends both; 0: never.
 */
export function joinStreams(client: Duplex, backend: Duplex, idleMs: number): void {
  const watch = idleMs > 0 ? new IdleWatch(idleMs, destroy) : undefined;
  function destroy(): void {
    client.destroy();
    backend.destroy();
  }
  carry(client, backend, watch);
  carry(backend, client, watch);
  for (const stream of [client, backend]) {
    stream.on('error', destroy);
    stream.once('close', () => {
      watch?.stop();
      destroy();
    });
  }
}

function carry(from: Duplex, to: Duplex, watch: IdleWatch | undefined): void {
  from.on('data', (chunk: Buffer) => {
    watch?.seen();
    if (!to.write(chunk)) from.pause();
  });
  to.on('drain', () => {
    watch?.seen();
    from.resume();
  });
  from.once('end', () => to.end());
  from.resume(); // whoever held it before has paused it
}

/** One timer for both directions; set anew only when it fires. */
class IdleWatch {
  readonly #idleMs: number;
  readonly #onIdle: () => void;
  #timer: NodeJS.Timeout;
  #seen = false;

  constructor(idleMs: number, onIdle: () => void) {
    this.#idleMs = idleMs;
    this.#onIdle = onIdle;
    this.#timer = setTimeout(() => this.#look(), idleMs);
  }

  seen(): void {
    this.#seen = true;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    if (!this.#seen) {
      this.#onIdle();
      return;
    }
    this.#seen = false;
    this.#timer = setTimeout(() => this.#look(), this.#idleMs);
  }
}
