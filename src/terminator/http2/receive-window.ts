/** What the client may send before we say that more is wanted (RFC 9113 §5.2): of a stream, or of the connection. */
export class ReceiveWindow {
  #left: number;
  /** How much it may send ahead of what has been taken. */
  #target: number;
  /** Taken, and not yet allowed again. */
  #taken = 0;

  constructor(bytes: number) {
    this.#left = bytes;
    this.#target = bytes;
  }

  /** Bytes that came; false: more than was allowed. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** What the client may still send. */
  get left(): number {
    return this.#left;
  }

  /** The client can send nothing until more is taken. */
  get shut(): boolean {
    return this.#left <= 0;
  }

  /** From now on it may be so far ahead. */
  widen(target: number): void {
    if (target <= this.#target) return;
    this.#taken += target - this.#target;
    this.#target = target;
  }

  /** Bytes that have been passed on. Returns what to allow now: 0 until it is worth a frame. */
  take(bytes: number): number {
    this.#taken += bytes;
    if (this.#taken * 2 < this.#target) return 0;
    const more = this.#taken;
    this.#taken = 0;
    this.#left += more;
    return more;
  }
}
