import type { Clock } from '../core/ports/clock.ts';

/** Remembers that it rang, so that a ring between looking and waiting is not lost. One waits at a time. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Forgets earlier rings; call it before looking. */
  reset(): void {
    this.#rung = false;
  }

  /** True when it rang, false when the time came first (never, without one). Rejects with the signal's reason. */
  async waitUntil(at: number | undefined, clock: Clock, signal: AbortSignal): Promise<boolean> {
    // Without a time: a month, so that the signal is listened to in one way only.
    const until = at ?? clock.now() + 30 * 86_400_000;
    return await this.#wait(async (over) => await clock.waitUntil(until, over), signal);
  }

  /** The same with a length of time, whatever is done to the clock meanwhile. */
  async waitFor(ms: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
    return await this.#wait(async (over) => await clock.sleep(ms, over), signal);
  }

  async #wait(time: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    if (this.#rung) return true;
    const over = new AbortController();
    const { promise: rung, resolve } = Promise.withResolvers<true>();
    this.#wake = () => resolve(true);
    const late = time(AbortSignal.any([signal, over.signal])).then(() => false as const);
    try {
      return await Promise.race([rung, late]);
    } finally {
      this.#wake = undefined;
      over.abort();
    }
  }
}
