/** One connection of an HTTP/2 client (RFC 9113): its frames become requests, and answers its frames. */
import type { Duplex } from 'node:stream';
import type { Connection } from '../proxy/exchange.ts';
import { FrameAllowance, ResetCount } from './allowance.ts';
import { connectionWindow, Exchanges, type ExchangesOwner } from './exchanges.ts';
import { Departure, leavingMs } from './departure.ts';
import { FrameDispatch, type FrameEvents } from './frame-dispatch.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter, type WriterOwner } from './frame-writer.ts';
import { HeaderSection } from './header-section.ts';
import { HeaderWriter } from './header-writer.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import type { Http2Limit } from './limit.ts';
import { defaultWindow, errorCode, flag, frameType, setting } from './protocol.ts';
import { Sender, type SenderOwner } from './sender.ts';
import { settingsPayload, type ClientSettings } from './settings.ts';
import type { Http2Shared } from './shared.ts';
import { Unchanged } from '../http1/unchanged.ts';
import type { Wire } from './wire.ts';

export interface SessionOwner extends Http2Shared {
  /** Calls `flush` when the turn of the event loop is over. */
  wake(session: Http2Session): void;
  forget(session: Http2Session): void;
}

/** A compressed block may be so much longer than what is allowed of its fields, which then are refused with an answer. */
const blockSlack = 16_384;

export class Http2Session implements FrameEvents, WriterOwner, SenderOwner, ExchangesOwner, Wire {
  readonly shared: SessionOwner;
  readonly peer: Connection;
  readonly writer: FrameWriter;
  readonly headers: HeaderWriter;
  readonly sender: Sender;
  mostStreams: number;
  readonly #socket: Duplex;
  readonly #reader: FrameReader;
  readonly #dispatch: FrameDispatch;
  readonly #decoder = new HpackDecoder();
  readonly #exchanges: Exchanges;
  readonly #allowance = new FrameAllowance();
  readonly #resets = new ResetCount();
  readonly #departure: Departure;
  readonly #write = new Unchanged();
  readonly #partial = new Unchanged();
  #requests = 0;
  /** The client has sent GOAWAY. */
  #clientLeaves = false;
  #awake = false;
  #paused = false;
  /** Since when no stream is open, in milliseconds. */
  #idleSince: number;
  /** SETTINGS of ours that have not been acknowledged, and the stream limit that holds when they are. */
  #unacknowledged = 0;
  #nextMostStreams: number;

  constructor(shared: SessionOwner, socket: Duplex, peer: Connection) {
    this.shared = shared;
    this.peer = peer;
    this.#socket = socket;
    this.writer = new FrameWriter(socket, this);
    this.#departure = new Departure(this.writer);
    this.headers = new HeaderWriter(this.writer);
    this.sender = new Sender(this.writer, this, defaultWindow);
    this.#exchanges = new Exchanges(this);
    this.#dispatch = new FrameDispatch(this, () => this.shared.settings.limits.headerBytes + blockSlack);
    this.#reader = new FrameReader(this.#dispatch);
    this.#idleSince = shared.now;
    this.mostStreams = shared.settings.limits.streamsPerConnection;
    this.#nextMostStreams = this.mostStreams;
  }

  start(): void {
    const socket = this.#socket;
    socket.on('data', this.#onData);
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy()); // its close tells the same
    socket.once('close', () => {
      this.writer.drop();
      this.#exchanges.closeAll();
      this.shared.forget(this);
    });
    this.sendSettings();
    this.writer.frame32(frameType.windowUpdate, 0, connectionWindow - defaultWindow);
  }

  /** Tells the client what it may do, first or again. */
  sendSettings(): void {
    const { streamsPerConnection, headerBytes } = this.shared.settings.limits;
    const payload = settingsPayload([
      [setting.maxConcurrentStreams, streamsPerConnection],
      [setting.maxHeaderListSize, headerBytes],
      [setting.enableConnectProtocol, 1],
      [setting.noRfc7540Priorities, 1],
    ]);
    this.writer.append(frameType.settings, 0, payload);
    this.#unacknowledged += 1;
    // Fewer from when the client knows.
    this.#nextMostStreams = streamsPerConnection;
    this.mostStreams = Math.max(this.mostStreams, streamsPerConnection);
  }

  /** Serves what is open and what the client still sends before it knows, then ends the connection. */
  goAway(): void {
    if (this.#departure.staying) this.#departure.announce(this.shared.now);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Looks whether something has taken too long; called every `stepMs`. */
  check(stepMs: number): void {
    const { now } = this.shared;
    const { idleMs } = this.shared.settings.timeouts;
    this.#allowance.pass(stepMs);
    if (this.#write.for(this.writer.waits ? this.writer.written : NaN, now) >= idleMs) {
      this.onLimit('stalled');
      this.destroy();
    } else if (this.#departure.over) {
      if (this.#departure.isEnough(now, 0)) this.destroy();
    } else this.#checkOpen(now);
  }

  /** The turn is over: what has come together goes out. */
  flush(): void {
    this.#awake = false;
    if (this.#departure.lingering) {
      this.writer.drop();
      return;
    }
    this.#exchanges.settle();
    this.writer.flush();
    if (!this.#departure.closing || !this.writer.idle) return;
    this.#departure.linger(this.shared.now);
    this.#socket.end();
    if (this.#paused) this.#socket.resume();
  }

  wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.shared.wake(this);
  }

  onFilled(): void {
    this.wake();
  }

  onWritten(): void {
    this.sender.pump();
    this.flush();
    if (!this.#paused || this.writer.congested) return;
    this.#paused = false;
    this.#socket.resume();
  }

  onDataSent(full: boolean): void {
    if (full) this.#allowance.earn(4);
  }

  onHeaders(id: number, endStream: boolean, block: Buffer): void {
    const exchanges = this.#exchanges;
    const section = new HeaderSection(this.shared.settings.limits);
    // Read in any case: the blocks after it depend on it.
    if (!this.#decoder.decode(block, 0, block.length, section)) {
      this.fail(errorCode.compressionError, 'a header block that is not HPACK');
      return;
    }
    const stream = exchanges.find(id);
    if (stream !== undefined) exchanges.trailers(stream, endStream, section);
    else if (id > exchanges.lastId) {
      if (id % 2 === 0) this.fail(errorCode.protocolError, 'a stream number that clients may not use');
      else {
        exchanges.lastId = id;
        if (id > this.#departure.lastServed) exchanges.refuse(id, endStream);
        else exchanges.begin(id, endStream, section);
      }
    } else if (exchanges.isForgotten(id)) this.onIdleFrame();
    else this.fail(errorCode.streamClosed, 'HEADERS on a stream that has ended');
  }

  onDataStart(id: number, bytes: number, endStream: boolean): void {
    this.#exchanges.dataStart(id, bytes, endStream);
  }

  onDataPiece(piece: Buffer): void {
    this.#exchanges.dataPiece(piece);
  }

  onDataEnd(): void {
    this.#exchanges.dataEnd();
  }

  onSettings({ headerTableSize, initialWindowSize }: ClientSettings): void {
    this.onIdleFrame();
    if (headerTableSize !== undefined) this.headers.limitTable(headerTableSize);
    if (initialWindowSize !== undefined) this.#exchanges.setSendWindow(initialWindowSize);
    if (!this.#departure.over) this.writer.append(frameType.settings | (flag.ack << 8), 0, new Uint8Array(0));
  }

  onSettingsAck(): void {
    this.onIdleFrame();
    if (this.#unacknowledged > 0) this.#unacknowledged -= 1;
    if (this.#unacknowledged === 0) this.mostStreams = this.#nextMostStreams;
  }

  onPing(payload: Buffer): void {
    this.onIdleFrame();
    if (!this.#departure.over) this.writer.append(frameType.ping | (flag.ack << 8), 0, payload);
  }

  onPingAck(payload: Buffer): void {
    this.onIdleFrame();
    if (this.#departure.isKnown(payload)) this.#lastGoAway();
  }

  /** It takes no streams of ours, of which there are none; requests that it sends behind it are served (nghttp2 does that). */
  onGoAway(): void {
    this.#clientLeaves = true;
    this.onIdleFrame();
  }

  onWindowUpdate(id: number, bytes: number): void {
    this.onIdleFrame();
    if (id !== 0) this.#exchanges.widen(id, bytes);
    else if (!this.sender.widen(bytes)) this.fail(errorCode.flowControlError, 'a window larger than 2^31-1');
  }

  onReset(id: number): void {
    this.#exchanges.resetByClient(id);
  }

  onStreamReset(): void {
    if (this.#resets.add(this.shared.now, this.shared.settings.limits.resetsPerMinute)) return;
    this.onLimit('resets');
    this.fail(errorCode.enhanceYourCalm, 'too many streams reset');
  }

  onIdleFrame(): void {
    if (this.#allowance.spend(1)) return;
    this.onLimit('idle-frames');
    this.fail(errorCode.enhanceYourCalm, 'too many frames that move nothing');
  }

  onBlockTooLong(): void {
    this.onLimit('header-block');
    this.fail(errorCode.enhanceYourCalm, 'a header block that is too long');
  }

  onError(code: number, why: string): void {
    this.fail(code, why);
  }

  onRequest(): void {
    this.#allowance.earn(8);
    this.#requests += 1;
    const { requestsPerConnection } = this.shared.settings.limits;
    if (requestsPerConnection === 0 || this.#requests < requestsPerConnection || !this.#departure.staying) return;
    this.onLimit('requests');
    this.goAway();
  }

  onEmpty(): void {
    this.#idleSince = this.shared.now;
    if (this.#departure.last) this.#close();
  }

  onLimit(limit: Http2Limit): void {
    this.shared.onLimit(limit, this.peer);
  }

  /** The connection cannot go on (§5.4.1). */
  fail(code: number, why: string): void {
    if (this.#departure.over) return;
    this.#departure.fail(this.#exchanges.lastId, code, why);
    this.#close();
    this.#exchanges.closeAll();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#departure.over) {
      if (this.#departure.isEnough(this.shared.now, chunk.length)) this.destroy();
      return;
    }
    this.#reader.read(chunk);
    this.#exchanges.readEnd();
    this.sender.pump();
    if (!this.writer.congested || this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  };

  #checkOpen(now: number): void {
    const { headerMs, idleMs } = this.shared.settings.timeouts;
    if (this.#partial.for(this.#begun(), now) >= headerMs) {
      this.onLimit('header-time');
      this.fail(errorCode.noError, 'a header section that takes too long');
      return;
    }
    if (this.#departure.isOverdue(now)) this.#lastGoAway();
    if (this.#exchanges.open > 0) this.#exchanges.check();
    else if (now - this.#idleSince >= (this.#clientLeaves ? leavingMs : idleMs)) this.goAway();
  }

  /** What has begun and not ended: the first frames of the connection, a header block, a frame other than DATA. */
  #begun(): number {
    if (!this.#dispatch.settled || this.#dispatch.inBlock) return -1;
    return this.#reader.partial ? this.#reader.frames : NaN;
  }

  #lastGoAway(): void {
    this.#departure.finish(this.#exchanges.lastId, this.shared.now);
    if (this.#exchanges.open === 0) this.#close();
  }

  #close(): void {
    this.#departure.close(this.shared.now);
    this.#reader.stop();
    this.wake();
  }
}
