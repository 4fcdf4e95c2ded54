/** How many things may be under way at once; first come, first served. */
import type { Clock } from '../core/ports/clock.ts';

/** Who takes longer than this goes on without a slot: what hangs must not hold up the others (never §5.6). */
const patienceMs = 2_000;

interface Waiter {
  wake(): void;
  gone: boolean;
}

export class Slots {
  readonly #clock: Clock;
  #free: number;
  #waiting: Waiter[] = [];
  #first = 0;

  constructor(count: number, clock: Clock) {
    this.#free = count;
    this.#clock = clock;
  }

  /**
   * Runs the task when there is a slot for it; the task may give the slot back before it ends. Rejects as the task does, or
   * with the signal's reason.
   */
  async run<T>(task: (giveBack: () => void) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    const release = (): void => {
      if (held) this.#pass();
      held = false;
    };
    const done = new AbortController();
    const patience = this.#clock.sleep(patienceMs, AbortSignal.any([signal, done.signal])).then(release, release);
    try {
      return await task(release);
    } finally {
      done.abort();
      await patience;
    }
  }

  #pass(): void {
    for (;;) {
      const next = this.#waiting[this.#first];
      if (next === undefined) {
        this.#waiting = [];
        this.#first = 0;
        this.#free += 1;
        return;
      }
      this.#first += 1;
      if (next.gone) continue;
      next.wake();
      return;
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        gone: false,
        wake: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        waiter.gone = true;
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }
}
