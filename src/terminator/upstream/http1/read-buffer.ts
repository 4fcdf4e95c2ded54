import type { OnReadOpts } from 'node:net';

const size = 65_536;
/** A read that fills this much is passed on in the buffer it came in; less is copied out. */
const worthPassing = 16_384;

/** All connections of a worker are read into this one by turns: what stays of a read is copied before the turn is given away. */
const shared = Buffer.allocUnsafeSlow(size);

export interface ReadSink {
  /** The first `length` bytes of `data`; `owned` when they stay as they are. */
  onRead(data: Buffer, length: number, owned: boolean): void;
  /** Bytes that the present body still has, as far as known. */
  readonly expected: number;
}

/**
 * Buffers for the reads of one connection. Small answers come in a buffer that all share, so that an idle connection
 * holds none and a read allocates nothing; while a large body comes, each read gets a buffer that goes along with it.
 */
export class ReadBuffer implements OnReadOpts {
  readonly #sink: ReadSink;
  #own: Buffer | undefined;
  #last = 0;

  constructor(sink: ReadSink) {
    this.#sink = sink;
  }

  readonly buffer = (): Buffer => {
    const { expected } = this.#sink;
    if (expected === 0) this.#own = undefined;
    else if (
      this.#own === undefined &&
      (this.#last >= worthPassing || (expected >= worthPassing && expected !== Infinity))
    )
      this.#own = Buffer.allocUnsafeSlow(size);
    return this.#own ?? shared;
  };

  readonly callback = (length: number, data: Uint8Array): boolean => {
    this.#last = length;
    const owned = data !== shared && (length >= worthPassing || data !== this.#own);
    if (owned) this.#own = undefined;
    this.#sink.onRead(data as Buffer, length, owned);
    return true;
  };
}
