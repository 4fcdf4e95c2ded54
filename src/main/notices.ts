import type { Clock } from '../core/ports/clock.ts';
import type { Problem } from '../core/ports/control-view.ts';

/** Problems of the installation by code and subject: raised, kept with the time of their first sight, cleared. */
export class Notices {
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #problems = new Map<string, Problem>();

  constructor(clock: Clock, changed: () => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  raise(code: string, message: string, subject?: string): void {
    const key = `${code} ${subject ?? ''}`;
    const since = this.#problems.get(key)?.since ?? this.#clock.now();
    this.#problems.set(key, { code, message, since, ...(subject === undefined ? {} : { subject }) });
    this.#changed();
  }

  clear(code: string, subject?: string): void {
    if (this.#problems.delete(`${code} ${subject ?? ''}`)) this.#changed();
  }

  list(): readonly Problem[] {
    return [...this.#problems.values()];
  }
}
