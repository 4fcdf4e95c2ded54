import type { Clock } from '../../src/core/ports/clock.ts';

interface Waiter {
  /** Of one that sleeps: moved along when the clock is changed. */
  at: number;
  readonly sleeps: boolean;
  wake(): void;
}

/** Time that moves only when told to. `advance` wakes sleepers in order of their time and lets their work settle in between. */
export class ManualClock implements Clock {
  #now: number;
  #waiters: Waiter[] = [];

  constructor(start: number | string = '2026-01-01T00:00:00Z') {
    this.#now = typeof start === 'string' ? Date.parse(start) : start;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return this.#wait(this.#now + ms, true, signal);
  }

  waitUntil(at: number, signal: AbortSignal): Promise<void> {
    return this.#wait(at, false, signal);
  }

  #wait(at: number, sleeps: boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (at <= this.#now) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        at,
        sleeps,
        wake: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** Times at which somebody wakes, earliest first. */
  get pending(): readonly number[] {
    return this.#waiters.map((waiter) => waiter.at).toSorted((a, b) => a - b);
  }

  /** Moves forward by `ms`, stopping at every wake-up on the way. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.pending[0];
      if (next === undefined || next > target) break;
      this.#now = Math.max(this.#now, next);
      this.#wakeDue();
    }
    this.#now = target;
    await settle();
  }

  /** Jumps (suspend, clock change) in either direction: who is due wakes at once, at the new time; who sleeps sleeps on. */
  async jumpTo(at: number | string): Promise<void> {
    const before = this.#now;
    this.#now = typeof at === 'string' ? Date.parse(at) : at;
    for (const waiter of this.#waiters) if (waiter.sleeps) waiter.at += this.#now - before;
    this.#wakeDue();
    await settle();
  }

  #wakeDue(): void {
    const due = this.#waiters.filter((waiter) => waiter.at <= this.#now);
    this.#waiters = this.#waiters.filter((waiter) => waiter.at > this.#now);
    for (const waiter of due.toSorted((a, b) => a.at - b.at)) waiter.wake();
  }
}

/** Lets promise chains and immediates run until quiet, without real time passing. */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
