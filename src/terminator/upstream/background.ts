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
    const running = this.#untilStopped(task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** A failure is a bug and ends the process: without its loops a backend would only look well. */
  async #untilStopped(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(this.#stop.signal);
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
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
