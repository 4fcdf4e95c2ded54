import type { Clock } from '../../core/ports/clock.ts';
import type { TerminatorProblem } from '../../core/feed.ts';

/** Of one code. One responder that is down can be thousands of them, and every report has them all. */
const mostShown = 200;

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

  /** Sets it or, without one, clears it. */
  show(key: string, problem: Omit<TerminatorProblem, 'since'> | undefined): void {
    if (problem === undefined) this.clear(key);
    else this.set(key, problem);
  }

  clear(key: string): void {
    if (this.#list.delete(key)) this.#onChange();
  }

  /** One that began longer ago than that. */
  clearOld(key: string, ms: number): void {
    const since = this.#list.get(key)?.since;
    if (since !== undefined && this.#clock.now() - since > ms) this.clear(key);
  }

  /** These in the place of all whose keys begin so. */
  replace(prefix: string, problems: readonly Pick<TerminatorProblem, 'code' | 'message'>[]): void {
    const now = problems.map(({ code, message }, i) => [`${prefix}${i}`, { code, message }] as const);
    for (const key of this.keys(prefix)) if (!now.some(([other]) => other === key)) this.clear(key);
    for (const [key, problem] of now) this.set(key, problem);
  }

  clearPrefix(prefix: string): void {
    for (const key of this.#list.keys()) if (key.startsWith(prefix)) this.clear(key);
  }

  /** Keys that begin so. */
  keys(prefix: string): readonly string[] {
    return [...this.#list.keys()].filter((key) => key.startsWith(prefix));
  }

  /** How many there are of each code. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { code } of this.#list.values()) counts.set(code, (counts.get(code) ?? 0) + 1);
    return counts;
  }

  /** By code, in the order in which they began; of very many of one code, some, and how many more there are. */
  list(): readonly TerminatorProblem[] {
    const shown: TerminatorProblem[] = [];
    for (const [code, problems] of Map.groupBy(this.#list.values(), (problem) => problem.code)) {
      const more = problems.length - mostShown;
      shown.push(...problems.slice(0, mostShown));
      const next = problems[mostShown];
      if (next !== undefined)
        shown.push({ code, message: `There are ${more} more problems of this kind.`, since: next.since });
    }
    return shown;
  }
}
