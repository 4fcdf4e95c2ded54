/** Streams of a connection that we have reset: their client may still be sending, which is no error (RFC 9113 §5.1). */

/** No client needs longer to hear of it. */
const most = 1_024;

export class ForgottenStreams {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= most) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }
}
