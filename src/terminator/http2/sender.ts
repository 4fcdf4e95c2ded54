/** DATA of all streams of a connection: what both windows and the socket allow (RFC 9113 §5.2), streams in turn. */
import type { FramePlace, FrameWriter } from './frame-writer.ts';
import { frameHeaderBytes, frameType, largestWindow, maxFrameBytes } from './protocol.ts';

/** The sending side of a stream. */
export interface SendingStream {
  readonly id: number;
  /** May be below zero (§6.9.2). */
  sendWindow: number;
  readonly lastFrame: FramePlace;
  /** What could not be sent yet. */
  readonly queue: Buffer[];
  queuedBytes: number;
  /** In the sender's list of those that have something to send and may. */
  listed: boolean;
  /** What was queued has been sent. */
  onEmptied(): void;
  /** Some of what was queued has been sent. */
  onRoom(): void;
}

export interface SenderOwner {
  /** A DATA frame is on its way; `full`: not one that a dribbled window made small. */
  onDataSent(full: boolean): void;
}

/** Not less, so that a nearly full slab does not make small frames. */
const leastRoom = 1_024;
/** A frame below that is small because the client allows no more at a time. */
const fairFrame = 256;

export class Sender {
  readonly #writer: FrameWriter;
  readonly #owner: SenderOwner;
  /** Of the connection. */
  #window: number;
  /** Streams with a queue and an open window. */
  readonly #list: SendingStream[] = [];

  constructor(writer: FrameWriter, owner: SenderOwner, window: number) {
    this.#writer = writer;
    this.#owner = owner;
    this.#window = window;
  }

  /** Sends of `chunk` what is allowed and queues the rest. */
  submit(stream: SendingStream, chunk: Buffer): void {
    const sent = stream.queue.length === 0 ? this.#emit(stream, chunk, Infinity) : 0;
    if (sent === chunk.length) return;
    const rest = sent === 0 ? chunk : chunk.subarray(sent);
    stream.queue.push(rest);
    stream.queuedBytes += rest.length;
    this.#enlist(stream);
  }

  /** Forgets what is queued. */
  cancel(stream: SendingStream): void {
    stream.queue.length = 0;
    stream.queuedBytes = 0;
  }

  /** WINDOW_UPDATE of the connection; false: more than a window can be. */
  widen(bytes: number): boolean {
    this.#window += bytes;
    return this.#window <= largestWindow;
  }

  /** WINDOW_UPDATE of a stream, or a change of the initial window; false: more than a window can be. */
  widenStream(stream: SendingStream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.queue.length > 0) this.#enlist(stream);
    return stream.sendWindow <= largestWindow;
  }

  /** Goes on where windows or the socket were full: one frame of each stream in turn. */
  pump(): void {
    if (this.#list.length === 0) return;
    const served = new Set<SendingStream>();
    while (this.#list.length > 0 && this.#mayAdd()) {
      const stream = this.#list.shift() as SendingStream;
      stream.listed = false;
      const chunk = stream.queue[0];
      if (chunk === undefined) continue;
      const sent = this.#emit(stream, chunk, maxFrameBytes);
      stream.queuedBytes -= sent;
      if (sent === chunk.length) stream.queue.shift();
      else stream.queue[0] = chunk.subarray(sent);
      if (stream.queue.length === 0) stream.onEmptied();
      else this.#enlist(stream);
      served.add(stream);
    }
    for (const stream of served) stream.onRoom();
  }

  #enlist(stream: SendingStream): void {
    if (stream.listed || stream.sendWindow <= 0) return;
    stream.listed = true;
    this.#list.push(stream);
  }

  #mayAdd(): boolean {
    return this.#window > 0 && this.#writer.room >= leastRoom;
  }

  /** Sends up to `most` bytes of the chunk and says how many. */
  #emit(stream: SendingStream, chunk: Buffer, most: number): number {
    let sent = 0;
    const end = Math.min(chunk.length, most);
    while (sent < end && stream.sendWindow > 0 && this.#mayAdd()) {
      const allowed = Math.min(stream.sendWindow, this.#window);
      const bytes = Math.min(end - sent, allowed, maxFrameBytes, this.#writer.room - frameHeaderBytes);
      const at = this.#writer.reserve(frameHeaderBytes + bytes);
      this.#writer.frame(at, bytes, frameType.data, stream.id);
      chunk.copy(this.#writer.slab as Buffer, at + frameHeaderBytes, sent, sent + bytes);
      this.#writer.mark(stream.lastFrame, at);
      stream.sendWindow -= bytes;
      this.#window -= bytes;
      sent += bytes;
      this.#owner.onDataSent(bytes >= fairFrame || sent === chunk.length);
    }
    return sent;
  }
}
