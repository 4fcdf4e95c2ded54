/** One deadline for many: entries that all have the same time, in the order in which they came, behind a single timer. */

export interface DeadlineTimes {
  now(): number;
  /** Returns what cancels it. Must not keep the process alive. */
  setTimer(run: () => void, ms: number): () => void;
}

const realTimes: DeadlineTimes = {
  now: () => performance.now(),
  setTimer: (run, ms) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Calls `expire` for each entry that has not been deleted within its time. */
export class Deadlines<T extends object> {
  readonly #expire: (entry: T) => void;
  readonly #times: DeadlineTimes;
  /** When each is due. Insertion order is the order of time as long as the span does not shrink. */
  readonly #due = new Map<T, number>();
  #cancel: (() => void) | undefined;

  constructor(expire: (entry: T) => void, times: DeadlineTimes = realTimes) {
    this.#expire = expire;
    this.#times = times;
  }

  get size(): number {
    return this.#due.size;
  }

  add(entry: T, ms: number): void {
    this.#due.set(entry, this.#times.now() + ms);
    this.#cancel ??= this.#times.setTimer(() => this.#sweep(), ms);
  }

  delete(entry: T): void {
    this.#due.delete(entry);
  }

  /** All entries, which are forgotten. */
  clear(): readonly T[] {
    const entries = [...this.#due.keys()];
    this.#due.clear();
    this.#cancel?.();
    this.#cancel = undefined;
    return entries;
  }

  #sweep(): void {
    this.#cancel = undefined;
    const now = this.#times.now();
    for (const [entry, at] of this.#due) {
      if (at > now) break;
      this.#due.delete(entry);
      this.#expire(entry);
    }
    // An empty list leaves no timer behind; otherwise the oldest says when to look again.
    const [oldest] = this.#due.values();
    if (oldest !== undefined) this.#cancel ??= this.#times.setTimer(() => this.#sweep(), Math.max(1, oldest - now));
  }
}
