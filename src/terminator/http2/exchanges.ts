/** The requests of one connection: their life from header section to the end of both directions (RFC 9113 §5.1, §8.1). */
import { STATUS_CODES } from 'node:http';
import { answer, type Connection, type Inbound } from '../proxy/exchange.ts';
import { ForgottenStreams } from './forgotten.ts';
import type { HeaderSection } from './header-section.ts';
import type { Http2Limit } from './limit.ts';
import { defaultWindow, errorCode, flag, frameType } from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import { Http2Body, type BodyOwner } from './request-body.ts';
import { bodyTooLarge, readRequest, type Refusal } from './request.ts';
import type { Http2Shared } from './shared.ts';
import { Http2Stream, type StreamOwner } from './stream.ts';
import type { Wire } from './wire.ts';

export interface ExchangesOwner extends Wire {
  readonly shared: Http2Shared;
  readonly peer: Connection;
  /** Streams that may be open at a time. */
  readonly mostStreams: number;
  /** A request has come and will be answered. */
  onRequest(): void;
  /** The last open stream has ended. */
  onEmpty(): void;
  onLimit(limit: Http2Limit): void;
  /** The client has reset a stream, or made us reset it. */
  onStreamReset(): void;
  /** Something that moves nothing. */
  onIdleFrame(): void;
  fail(code: number, why: string): void;
}

/** What all bodies of a connection together may wait for; a client cannot make us hold more. */
export const connectionWindow = 1_048_576;

export class Exchanges implements StreamOwner, BodyOwner {
  /** The highest stream that the client has opened. */
  lastId = 0;
  readonly #owner: ExchangesOwner;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #forgotten = new ForgottenStreams();
  /** Answered while the client was still sending, and not reset yet. */
  readonly #early: Http2Stream[] = [];
  readonly #window = new ReceiveWindow(connectionWindow);
  /** Of new streams, as the client's settings say. */
  #sendWindow = defaultWindow;
  /** The DATA frame being read. */
  #receiving: Http2Stream | undefined;
  /** The body that got the last one. */
  #received: Http2Body | undefined;
  #frameLeft = 0;
  #frameEndsStream = false;

  constructor(owner: ExchangesOwner) {
    this.#owner = owner;
  }

  get now(): number {
    return this.#owner.shared.now;
  }

  get open(): number {
    return this.#streams.size;
  }

  find(id: number): Http2Stream | undefined {
    return this.#streams.get(id);
  }

  /** A stream that we have reset, as its client may not know yet. */
  isForgotten(id: number): boolean {
    return this.#forgotten.has(id);
  }

  /** The header section of a new stream. */
  begin(id: number, endStream: boolean, section: HeaderSection): void {
    const { shared, peer, mostStreams } = this.#owner;
    if (this.#streams.size >= mostStreams) {
      this.refuse(id, endStream);
      this.#owner.onLimit('streams');
      return;
    }
    const head = readRequest(section, endStream, shared.settings.limits.bodyBytes);
    if (head === undefined) {
      this.#sendReset(id, errorCode.protocolError, endStream);
      this.#owner.onStreamReset();
      return;
    }
    const tunnels = 'upgrade' in head && head.upgrade !== undefined;
    const body = endStream ? undefined : this.#bodyOf(id, tunnels, section.length);
    const isHead = section.method === 'HEAD';
    const stream = new Http2Stream(this, id, { isHead, body, window: this.#sendWindow });
    this.#streams.set(id, stream);
    this.#owner.onRequest();
    if ('status' in head) {
      if (head.limit !== undefined) this.#owner.onLimit(head.limit);
      shared.onRefused(peer, head.status);
      this.#answer(stream, head);
      return;
    }
    const noBody = body === undefined || tunnels || section.length === 0;
    if (noBody && !tunnels) body?.discard();
    const { method, target, authority, host, upgrade } = head;
    const inbound: Inbound = {
      method,
      target,
      authority,
      host,
      headers: section.headers,
      version: '2',
      connection: peer,
      body: noBody ? undefined : body,
      upgrade,
    };
    shared.handle(inbound, stream);
  }

  /** A second header section of a stream: the trailers of its body. */
  trailers(stream: Http2Stream, endStream: boolean, section: HeaderSection): void {
    if (stream.body === undefined || stream.body.ended) {
      this.#owner.fail(errorCode.streamClosed, 'HEADERS on a stream that the client has ended');
    } else if (!endStream || section.malformed || section.hasPseudo) this.#malformed(stream);
    else if (section.tooLarge !== undefined) {
      this.#take(stream, { status: 431, reason: 'the trailer section is too large', limit: section.tooLarge });
    } else this.#endBody(stream, section.headers);
  }

  /** Refused before anything was done: the client may try elsewhere (§8.7). */
  refuse(id: number, endStream: boolean): void {
    this.#sendReset(id, errorCode.refusedStream, endStream);
    this.#owner.onIdleFrame();
  }

  dataStart(id: number, bytes: number, endStream: boolean): void {
    const stream = this.#streams.get(id);
    if (stream === undefined && !this.#forgotten.has(id)) {
      if (id > this.lastId) this.#owner.fail(errorCode.protocolError, 'DATA on a stream that was never opened');
      else this.#owner.fail(errorCode.streamClosed, 'DATA on a stream that has ended');
    } else if (stream !== undefined && (stream.body === undefined || stream.body.ended)) {
      this.#owner.fail(errorCode.streamClosed, 'DATA on a stream that the client has ended');
    } else if (!this.#window.receive(bytes) || stream?.body?.window.receive(bytes) === false) {
      this.#owner.fail(errorCode.flowControlError, 'more DATA than the window allowed');
    } else {
      this.#receiving = stream;
      if (this.#received !== stream?.body) this.readEnd();
      this.#received = stream?.body;
      this.#frameLeft = bytes;
      this.#frameEndsStream = endStream;
      if (stream?.body !== undefined) stream.body.last = endStream;
      if (bytes === 0 && !endStream) this.#owner.onIdleFrame();
    }
  }

  dataPiece(piece: Buffer): void {
    const stream = this.#receiving;
    this.#frameLeft -= piece.length;
    if (stream?.body === undefined) this.#allow(piece.length);
    else if (!stream.body.take(piece)) {
      this.#allow(piece.length);
      this.#malformed(stream);
    } else if (stream.body.tooLarge) this.#take(stream, bodyTooLarge);
  }

  dataEnd(): void {
    const stream = this.#receiving;
    this.#receiving = undefined;
    if (this.#frameLeft > 0) {
      // Padding counts, and is taken at once.
      if (stream?.body === undefined) this.#allow(this.#frameLeft);
      else stream.body.pad(this.#frameLeft);
    }
    if (this.#frameEndsStream && stream !== undefined) this.#endBody(stream, []);
  }

  /** What came in one read from the socket has been dealt with. */
  readEnd(): void {
    this.#received?.settle();
    this.#received = undefined;
  }

  /** RST_STREAM of the client. */
  resetByClient(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (id > this.lastId) this.#owner.fail(errorCode.protocolError, 'RST_STREAM on a stream that was never opened');
      else this.#owner.onIdleFrame();
      return;
    }
    const answered = stream.answered;
    this.#remove(stream);
    stream.close(false);
    if (!answered) this.#owner.onStreamReset();
  }

  /** WINDOW_UPDATE of a stream. */
  widen(id: number, bytes: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      if (id > this.lastId) {
        this.#owner.fail(errorCode.protocolError, 'WINDOW_UPDATE on a stream that was never opened');
      }
    } else if (!this.#owner.sender.widenStream(stream, bytes)) {
      this.reset(stream, errorCode.flowControlError);
      this.#owner.onStreamReset();
    }
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE of the client: for open streams, too (§6.9.2). */
  setSendWindow(bytes: number): void {
    const change = bytes - this.#sendWindow;
    this.#sendWindow = bytes;
    if (change === 0) return;
    for (const stream of this.#streams.values()) {
      if (!this.#owner.sender.widenStream(stream, change)) {
        this.#owner.fail(errorCode.flowControlError, 'a window larger than 2^31-1');
        return;
      }
    }
  }

  /**
   * The turn is over, or a write is through: whoever still sends what nobody reads is told to stop (§8.1). Not in one
   * write with the answer: curl 7.88 forgets an answer that it reads together with the reset.
   */
  settle(): void {
    for (const stream of this.#early.splice(0)) {
      if (this.#streams.get(stream.id) !== stream) continue;
      if (this.#owner.writer.holds(stream.lastFrame)) this.#early.push(stream);
      else {
        this.#sendReset(stream.id, errorCode.noError, false);
        this.#remove(stream);
      }
    }
  }

  /** The connection is over. */
  closeAll(): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#receiving = undefined;
    for (const stream of streams) stream.close(false);
  }

  /** Looks at the deadlines of every stream. */
  check(): void {
    const { timeouts } = this.#owner.shared.settings;
    for (const stream of this.#streams.values()) {
      if (stream.stalled() >= timeouts.idleMs) {
        this.#owner.onLimit('stalled');
        this.reset(stream, errorCode.cancel);
      } else if (stream.bodyOverdue(timeouts)) {
        this.#take(stream, { status: 408, reason: 'the request body took too long', limit: 'body-time' });
      }
    }
  }

  sendHeaders(stream: Http2Stream, status: number, headers: readonly string[]): void {
    this.#owner.headers.write(stream, status, headers);
  }

  sendData(stream: Http2Stream, chunk: Buffer): void {
    this.#owner.sender.submit(stream, chunk);
  }

  sendEnd(stream: Http2Stream): void {
    const { writer } = this.#owner;
    if (writer.addFlag(stream.lastFrame, flag.endStream)) return;
    writer.mark(stream.lastFrame, writer.append(frameType.data | (flag.endStream << 8), stream.id, new Uint8Array(0)));
  }

  onAnswered(stream: Http2Stream): void {
    if (stream.body === undefined || stream.body.ended) {
      this.#remove(stream);
      stream.close(true);
    } else if (!stream.tunnels) {
      stream.close(true);
      this.#early.push(stream);
      this.#owner.wake();
    }
  }

  reset(stream: Http2Stream, code: number): void {
    if (this.#streams.get(stream.id) !== stream) return;
    this.#sendReset(stream.id, code, stream.body?.ended !== false);
    this.#remove(stream);
    stream.close(false);
  }

  onTaken(body: Http2Body, bytes: number, more: number): void {
    this.#allow(bytes);
    if (more > 0) this.#owner.writer.frame32(frameType.windowUpdate, body.id, more);
  }

  #bodyOf(id: number, tunnels: boolean, length: number | undefined): Http2Body {
    const { bodyBytes } = this.#owner.shared.settings.limits;
    const most = tunnels || bodyBytes === 0 ? Infinity : bodyBytes;
    return new Http2Body(this, id, { expected: tunnels ? undefined : length, most });
  }

  #allow(bytes: number): void {
    const more = this.#window.take(bytes);
    if (more > 0) this.#owner.writer.frame32(frameType.windowUpdate, 0, more);
  }

  #endBody(stream: Http2Stream, trailers: readonly string[]): void {
    if (stream.body?.end(trailers) === false) this.#malformed(stream);
    else if (stream.answered) {
      this.#remove(stream);
      stream.close(true);
    }
  }

  /** Not the message that its headers announced (§8.1.1). */
  #malformed(stream: Http2Stream): void {
    this.reset(stream, errorCode.protocolError);
    this.#owner.onStreamReset();
  }

  /** Takes an exchange away from whoever handles it, and answers it where that has not begun. */
  #take(stream: Http2Stream, refusal: Refusal): void {
    if (refusal.limit !== undefined) this.#owner.onLimit(refusal.limit);
    this.#receiving = undefined;
    if (!stream.unanswered) {
      this.reset(stream, errorCode.cancel);
      return;
    }
    const { isHead, body, sendWindow: window } = stream;
    const own = new Http2Stream(this, stream.id, { isHead, body, window });
    this.#streams.set(stream.id, own);
    stream.close(false, refusal.status);
    this.#answer(own, refusal);
  }

  #answer(stream: Http2Stream, { status, reason }: Refusal): void {
    stream.body?.discard();
    answer(stream, status, `${status} ${STATUS_CODES[status] ?? ''}: ${reason}\n`);
  }

  #sendReset(id: number, code: number, endedByClient: boolean): void {
    this.#owner.writer.frame32(frameType.rstStream, id, code);
    if (!endedByClient) this.#forgotten.add(id);
  }

  #remove(stream: Http2Stream): void {
    if (this.#receiving === stream) this.#receiving = undefined;
    if (this.#streams.delete(stream.id) && this.#streams.size === 0) this.#owner.onEmpty();
  }
}
