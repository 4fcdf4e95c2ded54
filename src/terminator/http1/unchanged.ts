/** How long something has been what it is, looked at now and then. NaN stands for what may stay as it is. */
export class Unchanged {
  #value = NaN;
  #since = 0;

  /** Milliseconds since the value was last another one, as far as it was looked at. */
  for(value: number, now: number): number {
    if (value !== this.#value) {
      this.#value = value;
      this.#since = now;
    }
    return now - this.#since;
  }
}
