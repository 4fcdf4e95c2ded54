import { isAbort } from '../../core/errors.ts';

/** Loops that run until they are stopped, and are waited for then. */
export class Background {
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** `task` ends by itself, or by its signal. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    if (this.#stop.signal.aborted) return;
    const running = task(this.#stop.signal).then(undefined, (error: unknown) => {
      if (!isAbort(error)) throw error;
    });
    this.#running.add(running);
    const done = (): boolean => this.#running.delete(running);
    running.then(done, done);
  }

  /** Begins to stop. */
  abort(): void {
    this.#stop.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
