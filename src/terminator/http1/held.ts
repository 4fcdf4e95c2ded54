/** Bytes that wait for their turn: more come behind them, and they are taken from the front. */
export class Held {
  #buffer: Buffer;
  #start = 0;
  #end: number;

  /** Keeps `bytes` themselves, no copy; what is added makes one. */
  constructor(bytes: Buffer) {
    this.#buffer = bytes;
    this.#end = bytes.length;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Valid for as long as anybody likes: a byte once shown is never written again. */
  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Room grows by doubling, so that bytes which come one by one are not copied again for each. */
  add(bytes: Buffer): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#grow(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  drop(count: number): void {
    this.#start += count;
  }

  #grow(by: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(256, (this.length + by) * 2));
    grown.set(this.bytes);
    this.#buffer = grown;
    this.#end -= this.#start;
    this.#start = 0;
  }
}
