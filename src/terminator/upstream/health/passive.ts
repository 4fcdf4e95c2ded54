/**
 * What requests tell about an endpoint. `in`: takes part. `out`: taken out for a time. `trial`: the next request tries
 * it. `trying`: that request is under way.
 */
export type PassiveState = 'in' | 'out' | 'trial' | 'trying';

export class PassiveHealthState {
  #state: PassiveState = 'in';
  #failures = 0;
  #ejections = 0;

  /** How often it has been taken out; tells one time from the next. */
  get ejections(): number {
    return this.#ejections;
  }

  get state(): PassiveState {
    return this.#state;
  }

  /** A request goes there. */
  began(): void {
    if (this.#state === 'trial') this.#state = 'trying';
  }

  /** Answered. True when it is back with that. */
  succeeded(): boolean {
    const back = this.#state !== 'in';
    this.#state = 'in';
    this.#failures = 0;
    return back;
  }

  /** Not answered. True when it is out with that. `most`: failures in a row, 0 for any number; `needed`: it is the last one left. */
  failed(most: number, needed: boolean): boolean {
    if (most === 0 || this.#state === 'out' || this.#state === 'trial') return false;
    this.#failures += 1;
    if (needed || (this.#state === 'in' && this.#failures < most)) {
      this.#state = 'in';
      return false;
    }
    this.#state = 'out';
    this.#ejections += 1;
    return true;
  }

  /** The request ended without a result: the client went away, or the connection was an old one. */
  unresolved(): void {
    if (this.#state === 'trying') this.#state = 'trial';
  }

  /** The time of this ejection is over. */
  expired(ejection: number): void {
    if (this.#state === 'out' && this.#ejections === ejection) this.#state = 'trial';
  }
}
