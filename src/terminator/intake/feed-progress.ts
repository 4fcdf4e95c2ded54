import type { Refusal, Revision } from '../../core/feed.ts';
import type { Clock } from '../../core/ports/clock.ts';

interface Mark {
  readonly revision: Revision;
  /** The change after which everything up to the revision is in effect. */
  readonly sequence: number;
  readonly at: number;
}

export interface FeedProgressDeps {
  readonly clock: Clock;
  acknowledge(revision: Revision, refusals: readonly Refusal[]): void;
}

/** Says to the feed what every live worker has in effect, and nothing before that. */
export class FeedProgress {
  readonly #deps: FeedProgressDeps;
  readonly #marks: Mark[] = [];
  #latest: Revision | undefined;
  #refusals = '[]';

  constructor(deps: FeedProgressDeps) {
    this.#deps = deps;
  }

  /** Everything up to `revision` has been handed to the workers, with changes up to `sequence`. */
  reached(revision: Revision, sequence: number): void {
    this.#marks.push({ revision, sequence, at: this.#deps.clock.now() });
  }

  /** Changes up to `applied` are in effect everywhere; -1: there is no worker. */
  settle(applied: number, refusals: readonly Refusal[]): void {
    let settled = 0;
    while ((this.#marks[settled]?.sequence ?? Infinity) <= applied) settled += 1;
    const last = this.#marks.splice(0, settled).at(-1);
    const text = JSON.stringify(refusals);
    const changed = text !== this.#refusals && applied >= 0 && this.#latest !== undefined;
    if (last === undefined && !changed) return;
    this.#latest = last?.revision ?? this.#latest;
    this.#refusals = text;
    if (this.#latest !== undefined) this.#deps.acknowledge(this.#latest, refusals);
  }

  /** Age of the oldest revision that is not in effect everywhere; 0 when there is none. */
  lagMs(): number {
    const oldest = this.#marks[0];
    return oldest === undefined ? 0 : Math.max(0, this.#deps.clock.now() - oldest.at);
  }
}
