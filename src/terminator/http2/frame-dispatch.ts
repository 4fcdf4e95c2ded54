/**
 * The rules for frames as such (RFC 9113 §6): order, stream numbers, sizes, flags, and header blocks put together. What a
 * frame breaks is an error of the connection, also where it could be one of a stream alone (§5.4.2 lets us): no sound
 * client does it, and a server that resets streams on demand can be driven (CVE-2025-8671).
 */
import type { FrameHead, FrameSink } from './frame-reader.ts';
import { errorCode, flag, frameType } from './protocol.ts';
import { readSettings, type ClientSettings } from './settings.ts';

export interface FrameEvents {
  /** A header block, whole. The bytes are there during this call only. */
  onHeaders(id: number, endStream: boolean, block: Buffer): void;
  /** A DATA frame begins; `bytes` counts in flow control. Not called for stream 0. */
  onDataStart(id: number, bytes: number, endStream: boolean): void;
  onDataPiece(piece: Buffer): void;
  onDataEnd(): void;
  onReset(id: number): void;
  onSettings(settings: ClientSettings): void;
  onSettingsAck(): void;
  onPing(payload: Buffer): void;
  onPingAck(payload: Buffer): void;
  onGoAway(): void;
  onWindowUpdate(id: number, bytes: number): void;
  /** A frame that moves nothing. */
  onIdleFrame(): void;
  onError(code: number, why: string): void;
  /** More of a header block than is taken, in bytes or frames (CVE-2024-27316). */
  onBlockTooLong(): void;
}

const priorityBytes = 5;
/** A block in more pieces is made to cost time. */
const mostContinuations = 32;

export class FrameDispatch implements FrameSink {
  readonly #events: FrameEvents;
  readonly #mostBlockBytes: () => number;
  #settled = false;
  /** A block that has not ended. */
  #block: Buffer[] | undefined;
  #blockId = 0;
  #blockBytes = 0;
  #blockEndsStream = false;

  /** `mostBlockBytes`: how long a header block in several frames may be, as it comes. */
  constructor(events: FrameEvents, mostBlockBytes: () => number) {
    this.#events = events;
    this.#mostBlockBytes = mostBlockBytes;
  }

  /** The client has said its settings. */
  get settled(): boolean {
    return this.#settled;
  }

  get inBlock(): boolean {
    return this.#block !== undefined;
  }

  onFrame(frame: FrameHead, bytes: Buffer, from: number, to: number): void {
    const { type } = frame;
    if (!this.#mayCome(frame)) return;
    switch (type) {
      case frameType.headers:
        this.#headers(frame, bytes, from, to);
        return;
      case frameType.continuation:
        this.#continuation(frame, bytes, from, to);
        return;
      case frameType.windowUpdate:
        this.#windowUpdate(frame, bytes, from);
        return;
      case frameType.settings:
        this.#settings(frame, bytes, from, to);
        return;
      case frameType.ping:
        this.#ping(frame, bytes, from, to);
        return;
      case frameType.rstStream:
        if (frame.length !== 4) this.#wrongSize();
        else if (frame.id === 0) this.#onConnection();
        else this.#events.onReset(frame.id);
        return;
      case frameType.priority:
        if (frame.length !== priorityBytes) this.#wrongSize();
        else if (frame.id === 0) this.#onConnection();
        else if (dependency(bytes, from) === frame.id) this.#protocol('a stream that depends on itself');
        else this.#events.onIdleFrame();
        return;
      case frameType.goAway:
        if (frame.length < 8) this.#wrongSize();
        else if (frame.id !== 0) this.#onStream();
        else this.#events.onGoAway();
        return;
      case frameType.pushPromise:
        this.#protocol('a client that pushes');
        return;
      default: // RFC 9113 §5.5: an unknown type is ignored
        this.#events.onIdleFrame();
    }
  }

  onDataStart(frame: FrameHead): void {
    if (!this.#mayCome(frame)) return;
    if (frame.id === 0) this.#onConnection();
    else this.#events.onDataStart(frame.id, frame.length, (frame.flags & flag.endStream) !== 0);
  }

  onDataPiece(piece: Buffer): void {
    this.#events.onDataPiece(piece);
  }

  onDataEnd(): void {
    this.#events.onDataEnd();
  }

  onUnreadable(code: number, why: string): void {
    this.#events.onError(code, why);
  }

  /** SETTINGS first (§3.4), and nothing inside a header block (§6.10). */
  #mayCome({ type, id, flags }: FrameHead): boolean {
    if (!this.#settled && (type !== frameType.settings || (flags & flag.ack) !== 0)) {
      return this.#protocol('the first frame is not SETTINGS');
    }
    if (this.#block !== undefined && (type !== frameType.continuation || id !== this.#blockId)) {
      return this.#protocol('another frame inside a header block');
    }
    return true;
  }

  #headers({ id, flags, length }: FrameHead, bytes: Buffer, from: number, to: number): void {
    if (id === 0) return this.#onConnection();
    let start = from;
    let end = to;
    if ((flags & flag.padded) !== 0) {
      if (length === 0) return this.#wrongSize();
      end -= bytes[start] as number;
      start += 1;
    }
    if ((flags & flag.priority) !== 0) {
      if (to - start < priorityBytes) return this.#wrongSize();
      if (dependency(bytes, start) === id) return void this.#protocol('a stream that depends on itself');
      start += priorityBytes;
    }
    if (end < start) return void this.#protocol('a frame has more padding than payload');
    const endStream = (flags & flag.endStream) !== 0;
    const block = bytes.subarray(start, end);
    if ((flags & flag.endHeaders) !== 0) return this.#events.onHeaders(id, endStream, block);
    this.#block = [Buffer.from(block)]; // a copy: the bytes are only lent
    this.#blockId = id;
    this.#blockBytes = block.length;
    this.#blockEndsStream = endStream;
  }

  #continuation({ flags }: FrameHead, bytes: Buffer, from: number, to: number): void {
    const block = this.#block;
    if (block === undefined) return void this.#protocol('CONTINUATION without a header block');
    this.#blockBytes += to - from;
    if (block.length > mostContinuations || this.#blockBytes > this.#mostBlockBytes()) {
      this.#block = undefined;
      return this.#events.onBlockTooLong();
    }
    block.push(Buffer.from(bytes.subarray(from, to)));
    if ((flags & flag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#events.onHeaders(this.#blockId, this.#blockEndsStream, Buffer.concat(block));
  }

  #windowUpdate({ id, length }: FrameHead, bytes: Buffer, from: number): void {
    if (length !== 4) return this.#wrongSize();
    const increment = bytes.readUInt32BE(from) & 0x7f_ff_ff_ff;
    if (increment === 0) return void this.#protocol('a WINDOW_UPDATE of 0');
    this.#events.onWindowUpdate(id, increment);
  }

  #settings({ id, flags, length }: FrameHead, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.#onStream();
    if ((flags & flag.ack) !== 0) {
      if (length !== 0) this.#wrongSize();
      else this.#events.onSettingsAck();
      return;
    }
    const settings = readSettings(bytes, from, to);
    if ('why' in settings) return this.#events.onError(settings.code, settings.why);
    this.#settled = true;
    this.#events.onSettings(settings);
  }

  #ping({ id, flags, length }: FrameHead, bytes: Buffer, from: number, to: number): void {
    if (length !== 8) return this.#wrongSize();
    if (id !== 0) return this.#onStream();
    const payload = bytes.subarray(from, to);
    if ((flags & flag.ack) !== 0) this.#events.onPingAck(payload);
    else this.#events.onPing(payload);
  }

  #protocol(why: string): false {
    this.#events.onError(errorCode.protocolError, why);
    return false;
  }

  #wrongSize(): void {
    this.#events.onError(errorCode.frameSizeError, 'a frame of the wrong size');
  }

  #onConnection(): void {
    this.#protocol('a frame on stream 0 that belongs to a stream');
  }

  #onStream(): void {
    this.#protocol('a frame on a stream that belongs on stream 0');
  }
}

function dependency(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) & 0x7f_ff_ff_ff;
}
