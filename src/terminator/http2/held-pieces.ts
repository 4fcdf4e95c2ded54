/** Pieces of a body that wait, in order. Small ones are copied together: each would keep alive all that came with it. */

const smallBytes = 2_048;
const blockBytes = 8_192;

export class HeldPieces {
  #pieces: Buffer[] = [];
  /** Where small pieces are collected; its used part is the last of `#pieces`. */
  #block: Buffer | undefined;
  #used = 0;
  /** Bytes that wait. */
  bytes = 0;

  add(piece: Buffer): void {
    this.bytes += piece.length;
    if (piece.length >= smallBytes) {
      this.#block = undefined;
      this.#pieces.push(piece);
      return;
    }
    const fresh = this.#block === undefined || this.#used + piece.length > blockBytes;
    if (fresh) {
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
      this.#used = 0;
    }
    const block = this.#block as Buffer;
    piece.copy(block, this.#used);
    this.#used += piece.length;
    const all = block.subarray(0, this.#used);
    if (fresh) this.#pieces.push(all);
    else this.#pieces[this.#pieces.length - 1] = all;
  }

  /** The first one; the caller's from here. */
  shift(): Buffer | undefined {
    const first = this.#pieces.shift();
    if (this.#pieces.length === 0) this.#block = undefined; // what is added next must not stand in it
    this.bytes -= first?.length ?? 0;
    return first;
  }

  /** Forgets them and says how many bytes they were. */
  clear(): number {
    const { bytes } = this;
    this.#pieces = [];
    this.#block = undefined;
    this.bytes = 0;
    return bytes;
  }
}
