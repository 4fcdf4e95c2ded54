import type { OnReadOpts } from 'node:net';

const size = 65_536;
/** A read that fills this much is passed on in the buffer it came in; less is copied out. */
const worthLending = 16_384;
/** Buffers kept for the next reads of all connections. */
const mostSpare = 64;

/** All connections of a worker are read into this one by turns: what stays of a read is copied before the turn is given away. */
const shared = Buffer.allocUnsafeSlow(size);
const spare: Buffer[] = [];

/** A buffer on its way through, until everybody who got a part of it has given that back; who never does leaves it to the garbage. */
export class Loan {
  readonly #buffer: Buffer | undefined;
  #parts = 1;

  /** Undefined: memory that is not ours, and is left to the garbage in any case. */
  constructor(buffer: Buffer | undefined) {
    this.#buffer = buffer;
  }

  /** One more part is passed on. Gives what gives it back, which counts once. */
  part(): () => void {
    this.#parts += 1;
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      this.settle();
    };
  }

  /** One part is back. */
  settle(): void {
    this.#parts -= 1;
    if (this.#parts === 0 && this.#buffer !== undefined && spare.length < mostSpare) spare.push(this.#buffer);
  }
}

export interface ReadSink {
  /** The first `length` bytes of `data`. `loan` undefined: they have to be copied before anything else happens. */
  onRead(data: Buffer, length: number, loan: Loan | undefined): void;
  /** Bytes that the present body still has, as far as known. */
  readonly expected: number;
}

/**
 * Buffers for the reads of one connection. Small answers come in a buffer that all share, so that an idle connection
 * holds none and a read allocates nothing. While a large body comes, each read gets a buffer that goes along with it and
 * comes back when it has been sent: a new one each time would keep the garbage collector busy with little else.
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
    const large = expected > 0 && (this.#last >= worthLending || (expected >= worthLending && expected !== Infinity));
    if (!large) this.#keep();
    else this.#own ??= spare.pop() ?? Buffer.allocUnsafeSlow(size);
    return this.#own ?? shared;
  };

  readonly callback = (length: number, data: Uint8Array): boolean => {
    this.#last = length;
    const own = this.#own;
    if (data === shared || (data === own && length < worthLending))
      this.#sink.onRead(data as Buffer, length, undefined);
    else {
      this.#own = undefined;
      const loan = new Loan(data === own ? own : undefined);
      this.#sink.onRead(data as Buffer, length, loan);
      loan.settle();
    }
    return true;
  };

  #keep(): void {
    if (this.#own !== undefined && spare.length < mostSpare) spare.push(this.#own);
    this.#own = undefined;
  }
}
