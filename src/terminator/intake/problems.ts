import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorProblem } from '../../core/feed.ts';

/** What is wrong now, each under a key; `since` is when it began. */
export class Problems {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #list = new Map<string, TerminatorProblem>();

  constructor(clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  set(key: string, problem: Omit<TerminatorProblem, 'since'>): void {
    const before = this.#list.get(key);
    if (before?.code === problem.code && before.message === problem.message) return;
    this.#list.set(key, { ...problem, since: before?.code === problem.code ? before.since : this.#clock.now() });
    this.#onChange();
  }

  clear(key: string): void {
    if (this.#list.delete(key)) this.#onChange();
  }

  clearPrefix(prefix: string): void {
    for (const key of this.#list.keys()) if (key.startsWith(prefix)) this.clear(key);
  }

  list(): readonly TerminatorProblem[] {
    return [...this.#list.values()];
  }
}
