/**
 * Splits what a client sends into frames (RFC 9113 §4.1), however the bytes are cut. DATA is handed on as it comes; all
 * other frames are short and handed on whole.
 */
import { errorCode, flag, frameHeaderBytes, frameType, maxFrameBytes, preface } from './protocol.ts';

export interface FrameSink {
  /** A whole frame that is not DATA: its payload is `bytes` from `from` to `to`, and only during this call. */
  onFrame(frame: FrameHead, bytes: Buffer, from: number, to: number): void;
  /** A DATA frame begins; `frame.length` counts in flow control, padding included. */
  onDataStart(frame: FrameHead): void;
  /** A part of its data, which is not empty. */
  onDataPiece(piece: Buffer): void;
  onDataEnd(): void;
  /** Nothing that follows can be read. */
  onUnreadable(code: number, why: string): void;
}

const nothing = Buffer.alloc(0);

/** One object for all frames of a connection. */
export interface FrameHead {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly id: number;
}

export class FrameReader implements FrameHead {
  length = 0;
  type = 0;
  flags = 0;
  id = 0;
  /** Frames whose header has been read. */
  frames = 0;
  readonly #sink: FrameSink;
  #state: 'preface' | 'head' | 'payload' | 'pad-length' | 'data' | 'stopped' = 'preface';
  /** Of the preface, a frame header or a payload that came in parts: what there is of it. */
  #held: Buffer = nothing;
  #heldBytes = 0;
  #dataLeft = 0;
  #padLeft = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** The preface has come. */
  get begun(): boolean {
    return this.#state !== 'preface';
  }

  /** A frame other than DATA has begun and not ended. */
  get partial(): boolean {
    return this.#heldBytes > 0 || this.#state === 'payload';
  }

  stop(): void {
    this.#state = 'stopped';
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'head':
          at = this.#readHead(chunk, at);
          break;
        case 'payload':
          at = this.#readPayload(chunk, at);
          break;
        case 'data':
          at = this.#readData(chunk, at);
          break;
        case 'pad-length':
          at = this.#readPadLength(chunk, at);
          break;
        case 'preface':
          at = this.#readPreface(chunk, at);
          break;
        default:
          return;
      }
    }
  }

  #readPreface(chunk: Buffer, at: number): number {
    const next = this.#hold(chunk, at, preface.length);
    if (preface.compare(this.#held, 0, this.#heldBytes, 0, this.#heldBytes) !== 0) {
      this.#fail(errorCode.protocolError, 'the connection does not begin with the HTTP/2 preface');
    } else if (this.#heldBytes === preface.length) {
      this.#heldBytes = 0;
      this.#state = 'head';
    }
    return next;
  }

  #readHead(chunk: Buffer, at: number): number {
    if (this.#heldBytes === 0 && chunk.length - at >= frameHeaderBytes) {
      this.#parseHead(chunk, at);
      return this.#begin(chunk, at + frameHeaderBytes);
    }
    const next = this.#hold(chunk, at, frameHeaderBytes);
    if (this.#heldBytes < frameHeaderBytes) return next;
    this.#heldBytes = 0;
    this.#parseHead(this.#held, 0);
    return this.#begin(chunk, next);
  }

  #parseHead(bytes: Buffer, at: number): void {
    this.length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.id = bytes.readUInt32BE(at + 5) & 0x7f_ff_ff_ff;
    this.frames += 1;
  }

  /** Goes on behind the header, at `at`. */
  #begin(chunk: Buffer, at: number): number {
    const { length } = this;
    if (length > maxFrameBytes) this.#fail(errorCode.frameSizeError, 'a frame is larger than was allowed');
    else if (this.type === frameType.data) this.#beginData();
    else if (chunk.length - at >= length) {
      this.#sink.onFrame(this, chunk, at, at + length);
      this.#toHead();
      return at + length;
    } else this.#state = 'payload';
    return at;
  }

  #readPayload(chunk: Buffer, at: number): number {
    const next = this.#hold(chunk, at, this.length);
    if (this.#heldBytes < this.length) return next;
    this.#heldBytes = 0;
    const payload = this.#held;
    this.#held = nothing; // an idle connection keeps nothing
    this.#sink.onFrame(this, payload, 0, this.length);
    this.#toHead();
    return next;
  }

  #beginData(): void {
    this.#sink.onDataStart(this);
    if (this.#state === 'stopped') return;
    this.#padLeft = 0;
    this.#dataLeft = this.length;
    if ((this.flags & flag.padded) === 0) this.#continueData();
    else if (this.length === 0) this.#fail(errorCode.frameSizeError, 'a padded frame without a pad length');
    else this.#state = 'pad-length';
  }

  #readPadLength(chunk: Buffer, at: number): number {
    this.#padLeft = chunk[at] as number;
    this.#dataLeft = this.length - 1 - this.#padLeft;
    if (this.#dataLeft < 0) this.#fail(errorCode.protocolError, 'a frame has more padding than payload');
    else this.#continueData();
    return at + 1;
  }

  #readData(chunk: Buffer, at: number): number {
    let next = at;
    if (this.#dataLeft > 0) {
      next = Math.min(chunk.length, at + this.#dataLeft);
      this.#dataLeft -= next - at;
      this.#sink.onDataPiece(at === 0 && next === chunk.length ? chunk : chunk.subarray(at, next));
    } else {
      next = Math.min(chunk.length, at + this.#padLeft);
      this.#padLeft -= next - at;
    }
    if (this.#state === 'data') this.#continueData();
    return next;
  }

  #continueData(): void {
    if (this.#dataLeft + this.#padLeft > 0) this.#state = 'data';
    else {
      this.#sink.onDataEnd();
      this.#toHead();
    }
  }

  #toHead(): void {
    if (this.#state !== 'stopped') this.#state = 'head';
  }

  /** Collects up to `wanted` bytes. */
  #hold(chunk: Buffer, at: number, wanted: number): number {
    const next = Math.min(chunk.length, at + wanted - this.#heldBytes);
    if (this.#held.length < wanted) this.#held = Buffer.allocUnsafeSlow(wanted);
    chunk.copy(this.#held, this.#heldBytes, at, next);
    this.#heldBytes += next - at;
    return next;
  }

  #fail(code: number, why: string): void {
    this.#state = 'stopped';
    this.#sink.onUnreadable(code, why);
  }
}
