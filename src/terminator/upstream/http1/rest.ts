/** Who has to stay out of use until the event loop has polled once more. */
export interface Resting {
  onRested(): void;
}

/**
 * A connection whose response has ended is offered again only after the event loop has polled once more, so that
 * bytes sent behind the response are seen first (never §5.13). One pair of immediates serves all of a worker.
 */
export class Rest {
  #fresh: Resting[] = [];
  #polled: Resting[] = [];
  #scheduled = false;

  add(one: Resting): void {
    this.#fresh.push(one);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const rested = this.#polled;
    this.#polled = this.#fresh;
    this.#fresh = rested;
    // Called while `fresh` is this very list: it only grows behind what is gone through.
    const count = rested.length;
    for (let i = 0; i < count; i += 1) (rested[i] as Resting).onRested();
    rested.splice(0, count);
    if (this.#polled.length > 0 || rested.length > 0) setImmediate(this.#turn);
    else this.#scheduled = false;
  };
}
