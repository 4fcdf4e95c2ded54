/** Turns results of checks into a state: so many in a row turn it; the very first result decides at once. */
export class ActiveHealthState {
  #up: boolean | undefined;
  #against = 0;
  /** Why the last failed check failed. */
  reason = '';

  /** Undefined before the first check. */
  get up(): boolean | undefined {
    return this.#up;
  }

  /** `problem` undefined: it went well. True when the state has changed. */
  record(problem: string | undefined, healthyAfter: number, unhealthyAfter: number): boolean {
    const well = problem === undefined;
    if (problem !== undefined) this.reason = problem;
    if (well === this.#up) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    if (this.#up !== undefined && this.#against < (well ? healthyAfter : unhealthyAfter)) return false;
    // Until the first check an endpoint counts as well, so a first good one changes nothing.
    const changed = this.#up !== undefined || !well;
    this.#up = well;
    this.#against = 0;
    return changed;
  }
}
