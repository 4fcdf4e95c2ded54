import type { BodySink, RequestBody } from '../proxy/exchange.ts';
import { ChunkedReader, type ChunkedLimits } from './chunked-reader.ts';
import { refusals, type Refusal } from './refusal.ts';

/** A body that nobody wants is read and thrown away up to here, so that the connection can be used again. */
const mostThrownAway = 65_536;

export interface BodyLimits extends ChunkedLimits {
  /** 0: no limit. */
  readonly bodyBytes: number;
}

export interface BodyOwner {
  /** The body takes bytes again: those that wait first. */
  bodyWanted(): void;
  /** It takes none for now. */
  bodyHeldUp(): void;
}

/** The body of one request; its connection gives it the bytes. */
export class Http1Body implements RequestBody {
  readonly framing: 'length' | 'chunked';
  readonly #owner: BodyOwner;
  readonly #chunked: ChunkedReader | undefined;
  readonly #mostBytes: number;
  readonly #expected: boolean;
  #left: number;
  #taken = 0;
  #state: 'unread' | 'reading' | 'paused' | 'dropping' | 'unwanted' | 'done' = 'unread';
  #sink: BodySink | undefined;

  constructor(owner: BodyOwner, { length, expects }: { length: number; expects: boolean }, limits: BodyLimits) {
    this.#owner = owner;
    this.#left = length;
    this.#expected = expects;
    this.framing = length < 0 ? 'chunked' : 'length';
    this.#chunked = length < 0 ? new ChunkedReader(limits) : undefined;
    this.#mostBytes = limits.bodyBytes === 0 ? Infinity : limits.bodyBytes;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Bytes can be given to it now. */
  get open(): boolean {
    return this.#state === 'reading' || this.#state === 'dropping';
  }

  get paused(): boolean {
    return this.#state === 'paused';
  }

  get dropping(): boolean {
    return this.#state === 'dropping';
  }

  /** It will be read to its end, wanted or not, unless that turns out to be too much. */
  get ends(): boolean {
    return this.#state !== 'unread' && this.#state !== 'unwanted';
  }

  read(sink: BodySink): void {
    if (this.#state !== 'unread') return;
    this.#sink = sink;
    this.#state = 'reading';
    this.#owner.bodyWanted();
  }

  pause(): void {
    if (this.#state !== 'reading') return;
    this.#state = 'paused';
    this.#owner.bodyHeldUp();
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'reading';
    this.#owner.bodyWanted();
  }

  discard(): void {
    if (this.#state !== 'unread') return;
    // A client that waits for 100 may send the body or leave it out: whatever comes next could be either.
    this.#state = this.#expected || this.#left > mostThrownAway ? 'unwanted' : 'dropping';
    this.#owner.bodyWanted();
  }

  /** Takes what belongs to it from `at` on and says where it stopped, which is before the end when it is done or not open. */
  take(bytes: Buffer, at: number): number | Refusal {
    if (this.#chunked !== undefined) return this.#takeChunked(this.#chunked, bytes, at);
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.#deliver(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#left === 0) this.#finish([]);
    return end;
  }

  /** Chunks that come together are passed on together: each one alone would cost a client one byte and us a write. */
  #takeChunked(chunked: ChunkedReader, bytes: Buffer, at: number): number | Refusal {
    const pieces: Buffer[] = [];
    const end = chunked.read(bytes, at, pieces);
    if (typeof end !== 'number') return end;
    const data = pieces.length > 1 ? Buffer.concat(pieces) : pieces[0];
    if (data !== undefined) {
      if (this.#taken + data.length > this.#mostBytes) return refusals.bodyTooLarge;
      this.#deliver(data);
    }
    if (chunked.done) this.#finish(chunked.trailers);
    return end;
  }

  #deliver(data: Buffer): void {
    this.#taken += data.length;
    if (this.#state === 'dropping' && this.#taken > mostThrownAway) this.#state = 'unwanted';
    else this.#sink?.onData(data);
  }

  #finish(trailers: readonly string[]): void {
    this.#state = 'done';
    this.#sink?.onEnd(trailers);
  }
}
