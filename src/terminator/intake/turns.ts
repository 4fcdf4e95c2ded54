/** Certificates begin and cease to be valid while nothing else happens; then another one may be the better answer. */
import type { Clock } from '../../core/ports/clock.ts';
import { wait } from './wait.ts';

export interface TurnsDeps {
  readonly clock: Clock;
  /** When something next begins or ceases to be valid, and what carries its names. Looks at the whole table. */
  nextTurn(): { readonly at: number; readonly names: readonly string[] } | undefined;
  onTurn(names: readonly string[]): void;
  /** The table has changed, or time has changed what it says, and the changes have paused. */
  onSettled(): void;
}

const quietMs = 250;
const longestMs = 86_400_000;

export class Turns {
  readonly #deps: TurnsDeps;
  #changed = Promise.withResolvers<void>();

  constructor(deps: TurnsDeps) {
    this.#deps = deps;
  }

  /** The table has changed. */
  touch(): void {
    this.#changed.resolve();
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      this.#changed = Promise.withResolvers();
      const turn = this.#deps.nextTurn();
      const at = turn?.at ?? clock.now() + longestMs;
      if (!(await wait(clock, at, { signal, wake: this.#changed.promise }))) return;
      // A snapshot's many changes are waited out.
      await wait(clock, Math.min(at, clock.now() + quietMs), { signal });
      if (turn !== undefined && clock.now() >= at) this.#deps.onTurn(turn.names);
      this.#deps.onSettled();
    }
  }
}
