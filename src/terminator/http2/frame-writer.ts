/**
 * What one connection sends. Frames are put together in memory and go out in one write for each turn of the event loop,
 * one write at a time: TLS then makes full records of them, and a client that does not read holds up two slabs of ours, not more.
 */
import type { Duplex } from 'node:stream';
import { flag, frameHeaderBytes, frameType, maxFrameBytes } from './protocol.ts';
import { giveSlab, slabBytes, takeSlab } from './slabs.ts';

export interface WriterOwner {
  /** Something waits to be flushed at the end of the turn. */
  onFilled(): void;
  /** A write is through: there is room again. */
  onWritten(): void;
}

/** Where a frame stands, so that a flag can be added as long as it has not been sent. */
export interface FramePlace {
  batch: number;
  at: number;
}

/** Replies to what a client sends without reading our answers; beyond that we do not read from it. */
const mostBacklog = 131_072;

export class FrameWriter {
  /** Frames up to `#used`; none while there is nothing to send. */
  slab: Buffer | undefined;
  /** Writes that are through. */
  written = 0;
  readonly #socket: Duplex;
  readonly #owner: WriterOwner;
  #used = 0;
  #batch = 0;
  /** Full, and waiting for the write before. */
  #full: { slab: Buffer; used: number }[] = [];
  #fullBytes = 0;
  #inFlight: Buffer | undefined;

  constructor(socket: Duplex, owner: WriterOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Nothing is on its way or waiting. */
  get idle(): boolean {
    return this.#inFlight === undefined && this.slab === undefined;
  }

  get waits(): boolean {
    return this.#inFlight !== undefined;
  }

  get congested(): boolean {
    return this.#fullBytes > mostBacklog;
  }

  /** Bytes of DATA frames, their headers included, that may be added now. */
  get room(): number {
    if (this.slab === undefined) return slabBytes;
    return this.#full.length > 0 ? 0 : slabBytes - this.#used;
  }

  /** Makes room for a frame of that many bytes, headers included, and returns where in `slab` it begins. */
  reserve(bytes: number): number {
    if (this.slab !== undefined && this.#used + bytes > this.slab.length) {
      this.#full.push({ slab: this.slab, used: this.#used });
      this.#fullBytes += this.#used;
      this.slab = undefined;
    }
    if (this.slab === undefined) {
      this.slab = takeSlab(bytes);
      this.#used = 0;
      this.#batch += 1;
      this.#owner.onFilled();
    }
    return this.#used;
  }

  /** Writes the header of the frame that `reserve` made room for. `kind`: its type, and its flags 8 bits up. */
  frame(at: number, length: number, kind: number, id: number): void {
    const slab = this.slab as Buffer;
    slab[at] = length >>> 16;
    slab[at + 1] = length >>> 8;
    slab[at + 2] = length;
    slab[at + 3] = kind;
    slab[at + 4] = kind >>> 8;
    slab[at + 5] = id >>> 24;
    slab[at + 6] = id >>> 16;
    slab[at + 7] = id >>> 8;
    slab[at + 8] = id;
    this.#used = at + frameHeaderBytes + length;
  }

  /** A frame without flags whose payload is one 32-bit number: RST_STREAM, WINDOW_UPDATE. */
  frame32(type: number, id: number, value: number): void {
    const at = this.reserve(frameHeaderBytes + 4);
    this.frame(at, 4, type, id);
    this.slab?.writeUInt32BE(value, at + frameHeaderBytes);
  }

  /** A whole frame with that payload; returns where it begins. */
  append(kind: number, id: number, payload: Uint8Array): number {
    const at = this.reserve(frameHeaderBytes + payload.length);
    this.frame(at, payload.length, kind, id);
    this.slab?.set(payload, at + frameHeaderBytes);
    return at;
  }

  /** A header block that is too large for one frame. */
  longBlock(id: number, flags: number, block: Buffer): void {
    for (let from = 0; from < block.length; from += maxFrameBytes) {
      const part = block.subarray(from, from + maxFrameBytes);
      const kind = from === 0 ? frameType.headers | (flags << 8) : frameType.continuation;
      const last = from + part.length === block.length ? flag.endHeaders << 8 : 0;
      this.append(kind | last, id, part);
    }
  }

  mark(place: FramePlace, at: number): void {
    place.batch = this.#batch;
    place.at = at;
  }

  /** Whether what is written next goes out in one write with that frame. */
  holds(place: FramePlace): boolean {
    return this.slab !== undefined && place.batch === this.#batch;
  }

  /** Adds a flag to a frame that is still here; false: it has been sent. */
  addFlag(place: FramePlace, bit: number): boolean {
    if (this.slab === undefined || place.batch !== this.#batch) return false;
    this.slab[place.at + 4] = (this.slab[place.at + 4] as number) | bit;
    return true;
  }

  /** Sends what is there, unless a write is under way: then it goes out behind that. */
  flush(): void {
    if (this.#inFlight !== undefined || this.#socket.destroyed) return;
    const full = this.#full.shift();
    if (full !== undefined) {
      this.#fullBytes -= full.used;
      this.#send(full.slab, full.used);
    } else if (this.slab !== undefined) {
      const { slab } = this;
      this.slab = undefined;
      this.#send(slab, this.#used);
    }
  }

  #send(slab: Buffer, used: number): void {
    this.#inFlight = slab;
    this.#socket.write(slab.subarray(0, used), this.#onWritten);
  }

  /** Gives up what has not been sent. */
  drop(): void {
    for (const { slab } of this.#full.splice(0)) giveSlab(slab);
    if (this.slab !== undefined) giveSlab(this.slab);
    this.slab = undefined;
  }

  /** After an error nobody can say who still looks at the memory. */
  readonly #onWritten = (error?: Error | null): void => {
    if (this.#inFlight !== undefined && !error) giveSlab(this.#inFlight);
    this.#inFlight = undefined;
    this.written += 1;
    this.#owner.onWritten();
  };
}
