/** The body of one request, or what a tunnel receives; the session gives it the DATA. */
import type { BodySink, RequestBody } from '../proxy/exchange.ts';
import { HeldPieces } from './held-pieces.ts';
import { defaultWindow, frameHeaderBytes } from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';

export interface BodyOwner {
  /** Milliseconds, in steps. */
  readonly now: number;
  /** Bytes of this body have been passed on, or thrown away; `more`: it may be followed by so many others. */
  onTaken(body: Http2Body, bytes: number, more: number): void;
}

/** What a client may send ahead while somebody takes it; until then, `defaultWindow`. */
const readingWindow = 262_144;

/** TLS records are as large as our frames and cut off the end of each. */
const tailBytes = 256;

export class Http2Body implements RequestBody {
  readonly id: number;
  readonly framing: 'length' | 'chunked';
  readonly window = new ReceiveWindow(defaultWindow);
  /** The DATA frame being read is the last one. */
  last = false;
  /** END_STREAM has come. */
  ended = false;
  /** Bytes of data that have come. */
  received = 0;
  readonly #owner: BodyOwner;
  readonly #expected: number | undefined;
  readonly #most: number;
  readonly #held = new HeldPieces();
  /** Small, and not passed on yet. */
  #tail: Buffer | undefined;
  #trailers: readonly string[] = [];
  #state: 'unread' | 'reading' | 'paused' | 'dropping' | 'over' = 'unread';
  #sink: BodySink | undefined;
  #delivering = false;
  #waitingSince: number;

  /** `expected`: its Content-Length, where it has one; `most`: bytes that it may have. */
  constructor(owner: BodyOwner, id: number, { expected, most }: { expected: number | undefined; most: number }) {
    this.#owner = owner;
    this.id = id;
    this.#expected = expected;
    this.#most = most;
    this.framing = expected === undefined ? 'chunked' : 'length';
    this.#waitingSince = owner.now;
  }

  /** More has come than it may have, and somebody would get it. */
  get tooLarge(): boolean {
    return this.received > this.#most && this.#state !== 'over';
  }

  read(sink: BodySink): void {
    if (this.#state !== 'unread') return;
    this.#sink = sink;
    this.window.widen(readingWindow);
    this.#goOn();
  }

  pause(): void {
    if (this.#state === 'reading') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state === 'paused') this.#goOn();
  }

  /** The client is not allowed more than it was; the stream is reset when it is answered. */
  discard(): void {
    if (this.#state === 'unread') this.#drop('dropping');
  }

  /** Nothing more is delivered. */
  abandon(): void {
    if (this.#state !== 'over') this.#drop('over');
  }

  /** Data that came; false: more than Content-Length announced. */
  take(piece: Buffer): boolean {
    this.received += piece.length;
    this.#waitingSince = this.#owner.now;
    if (this.#expected !== undefined && this.received > this.#expected) return false;
    if (this.#state === 'reading' && this.#held.bytes === 0) {
      this.#pass(piece);
      return true;
    }
    this.settle();
    if (this.#state === 'dropping' || this.#state === 'over') this.#owner.onTaken(this, piece.length, 0);
    else this.#held.add(piece);
    return true;
  }

  /** What came in one read from the socket has been taken. */
  settle(): void {
    const tail = this.#tail;
    if (tail === undefined) return;
    this.#tail = undefined;
    if (this.#isReading()) this.#deliver(tail);
    else this.#held.add(tail);
  }

  /** Bytes that count in flow control and say nothing: padding. */
  pad(bytes: number): void {
    this.#taken(bytes);
  }

  /** END_STREAM; false: less than Content-Length announced. */
  end(trailers: readonly string[]): boolean {
    if (this.#expected !== undefined && this.received !== this.#expected) return false;
    this.settle();
    this.ended = true;
    this.#trailers = trailers;
    this.#finish();
    return true;
  }

  /** Since when nothing has come that could have, in milliseconds; 0: it is not the client that is waited for. */
  waited(): number {
    const waits = (this.#state === 'reading' || this.#state === 'dropping') && !this.ended && !this.window.shut;
    return waits ? this.#owner.now - this.#waitingSince : 0;
  }

  #goOn(): void {
    this.#state = 'reading';
    this.#waitingSince = this.#owner.now;
    if (this.#delivering) return;
    this.#delivering = true;
    for (;;) {
      const piece = this.#isReading() ? this.#held.shift() : undefined;
      if (piece === undefined) break;
      this.#deliver(piece);
    }
    this.#delivering = false;
    this.#finish();
  }

  /** A small piece waits for what comes behind it in the same read, or each frame's end would be a write to the backend. */
  #pass(piece: Buffer): void {
    const tail = this.#tail;
    this.#tail = undefined;
    if (tail === undefined) {
      if (piece.length > tailBytes) this.#deliver(piece);
      else this.#tail = piece;
      return;
    }
    const joined = join(tail, piece);
    if (joined === undefined) this.#deliver(tail);
    if (this.#isReading()) this.#deliver(joined ?? piece);
    else this.#held.add(joined ?? piece);
  }

  #deliver(piece: Buffer): void {
    this.#sink?.onData(piece);
    this.#taken(piece.length);
  }

  #isReading(): boolean {
    return this.#state === 'reading';
  }

  #taken(bytes: number): void {
    this.#owner.onTaken(this, bytes, this.#wantsMore() ? this.window.take(bytes) : 0);
  }

  /** Where the client can send all of the rest, there is nothing to allow it. */
  #wantsMore(): boolean {
    if (this.last || this.ended) return false;
    return this.#expected === undefined || this.#expected - this.received > this.window.left;
  }

  #finish(): void {
    if (!this.ended || this.#state !== 'reading' || this.#held.bytes > 0) return;
    this.#state = 'over';
    this.#sink?.onEnd(this.#trailers);
    this.#sink = undefined;
  }

  #drop(state: 'dropping' | 'over'): void {
    this.#state = state;
    this.#sink = undefined;
    const bytes = this.#held.clear() + (this.#tail?.length ?? 0);
    this.#tail = undefined;
    if (bytes > 0) this.#owner.onTaken(this, bytes, 0);
  }
}

/** Both as one, where only a frame header lies between them: the first is moved over that. */
function join(tail: Buffer, piece: Buffer): Buffer | undefined {
  const gap = piece.byteOffset - tail.byteOffset - tail.length;
  if (tail.buffer !== piece.buffer || gap < 0 || gap > frameHeaderBytes) return undefined;
  const joined = Buffer.from(piece.buffer, piece.byteOffset - tail.length, tail.length + piece.length);
  joined.set(tail, 0);
  return joined;
}
