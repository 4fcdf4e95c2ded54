/** One client connection that speaks HTTP/1.1: reads requests one after the other and answers each before the next. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TerminatorLimits, TerminatorTimeouts } from '../../core/terminator.ts';
import type { Connection, Inbound, Outbound } from '../proxy/exchange.ts';
import { resetNow } from '../tcp/reset.ts';
import { Unchanged } from './unchanged.ts';
import type { HeadParser } from './head-parser.ts';
import { HeadReader } from './head-reader.ts';
import { Held } from './held.ts';
import { refusals, refusalText, type Http1Limit, type Refusal } from './refusal.ts';
import { Http1Body, type BodyOwner } from './request-body.ts';
import { Http1Request } from './request.ts';
import { Http1Response, type ResponseOwner } from './response.ts';

export interface Http1Settings {
  readonly limits: Pick<TerminatorLimits, 'headerBytes' | 'headerCount' | 'bodyBytes' | 'requestsPerConnection'>;
  readonly timeouts: Pick<TerminatorTimeouts, 'headerMs' | 'bodyMs' | 'idleMs' | 'tunnelIdleMs'>;
}

/** What all connections of a server share. */
export interface Http1Shared {
  readonly parser: HeadParser;
  readonly settings: Http1Settings;
  /** Every answer from now on is the last one of its connection. */
  readonly draining: boolean;
  /** Milliseconds, in steps. */
  readonly now: number;
  handle(inbound: Inbound, outbound: Outbound): void;
  onRefused(connection: Connection, status: number): void;
  onLimit(limit: Http1Limit): void;
  /** No longer one that speaks HTTP. */
  forget(connection: Http1Connection): void;
}

/** Bytes that may wait behind a request; then the client waits. What one more read brings can come on top. */
const mostWaiting = 16_384;
/** How long we go on reading from a client whose connection we have closed, so that it sees the answer and no reset. */
const lingerMs = 2_000;

export class Http1Connection implements BodyOwner, ResponseOwner {
  readonly socket: Socket;
  readonly #shared: Http1Shared;
  readonly #peer: Connection;
  readonly #reader: HeadReader;
  #state: 'head' | 'busy' | 'linger' | 'tunnel' = 'head';
  /** What has come and could not be read yet: an incomplete head, or bytes behind what is being served. */
  #held: Held | undefined;
  #advancing = false;
  #paused = false;
  #requests = 0;
  #request: Http1Request | undefined;
  #response: Http1Response | undefined;
  #body: Http1Body | undefined;
  /** The connection ends with the present answer. */
  #last = false;
  /** Since when the client has been waited for. */
  #since: number;
  #quiet = false;
  /** What had been given to the socket when it was last seen to have bytes unsent, and since when that has not changed. */
  #written = -1;
  #stalledSince = 0;
  readonly #silence = new Unchanged();

  constructor(shared: Http1Shared, socket: Socket, peer: Connection) {
    this.#shared = shared;
    this.socket = socket;
    this.#peer = peer;
    this.#reader = new HeadReader(shared.parser, peer);
    this.#since = shared.now;
  }

  start(firstBytes: Buffer | undefined): void {
    const { socket } = this;
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', onError);
    socket.once('close', () => {
      this.#shared.forget(this);
      this.#response?.gone();
    });
    if (firstBytes !== undefined && firstBytes.length > 0) this.#onData(firstBytes);
    if (!this.#paused && this.#state !== 'tunnel') socket.resume();
  }

  /** Looks whether something has taken too long. */
  check(): void {
    if (this.socket.destroyed) return;
    const { now, settings } = this.#shared;
    const { headerMs, idleMs } = settings.timeouts;
    if (this.#stalled(now, idleMs)) {
      this.#shared.onLimit('stalled');
      this.socket.destroy();
      return;
    }
    const waited = now - this.#since;
    if (this.#state === 'linger') {
      if (waited >= lingerMs) this.socket.destroy();
    } else if (this.#state === 'busy') {
      if (this.#bodyOverdue(now, waited)) this.#refuse(refusals.bodyTooSlow);
    } else if (this.#held !== undefined) {
      if (waited >= headerMs) this.#refuse(refusals.headTooSlow);
    } else if (waited >= (this.#requests === 0 ? headerMs : idleMs)) this.#close();
  }

  /** Closes the connection if there has been nothing on it since the last call, and no request is open. */
  closeIfQuiet(): void {
    if (this.#state !== 'head' || this.#held !== undefined) return;
    if (this.#quiet) this.#close();
    else this.#quiet = true;
  }

  bodyWanted(): void {
    if (this.#state !== 'busy') return;
    this.#since = this.#shared.now;
    this.#proceed();
  }

  bodyHeldUp(): void {
    this.#adjustFlow();
  }

  lastAnswer(closing: boolean): boolean {
    const { requestsPerConnection } = this.#shared.settings.limits;
    const tooMany = requestsPerConnection > 0 && this.#requests >= requestsPerConnection;
    if (tooMany && !this.#last) this.#shared.onLimit('requests');
    const request = this.#request as Http1Request;
    this.#last ||=
      closing ||
      this.#shared.draining ||
      !request.keepAlive ||
      request.upgrade !== undefined || // refused: who knows what the client sends behind it
      tooMany ||
      this.#body?.ends === false;
    return this.#last;
  }

  answered(): void {
    if (this.#last || (this.#body !== undefined && !this.#body.done && !this.#body.dropping)) this.#close();
    else if (this.#body === undefined || this.#body.done) this.#next();
  }

  cutOff(looksComplete: boolean): void {
    // Over TLS the close_notify is missing then; without it only a reset shows that something is.
    if (looksComplete && this.#peer.tls === undefined) resetNow(this.socket);
    else this.socket.destroy();
  }

  release(): Duplex {
    const { socket } = this;
    this.#state = 'tunnel';
    this.#shared.forget(this);
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onEnd);
    socket.pause();
    if (!this.#advancing && this.#held !== undefined) this.#keep(this.#held.bytes, 0);
    return socket;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state === 'linger') return;
    this.#quiet = false;
    if (this.#state === 'busy' || (this.#held === undefined && this.#requests > 0)) this.#since = this.#shared.now;
    if (this.#held === undefined) this.#advance(chunk);
    else {
      this.#held.add(chunk);
      this.#advance(this.#held.bytes);
    }
    this.#adjustFlow();
  };

  readonly #onDrain = (): void => this.#response?.drained();

  /** The client ends its side: before its answer is out, that means it does not want it any more. */
  readonly #onEnd = (): void => {
    if (this.#state === 'busy' && this.#response?.ended !== true) this.socket.destroy();
    else this.socket.end();
  };

  /** Goes on with what waits. */
  #proceed(): void {
    if (this.#advancing) return;
    if (this.#held !== undefined) this.#advance(this.#held.bytes);
    this.#adjustFlow();
  }

  #advance(bytes: Buffer): void {
    this.#advancing = true;
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at);
      if (next < 0) break;
      at = next;
    }
    this.#advancing = false;
    this.#keep(bytes, at);
  }

  /** Reads the next thing; -1: it has to wait. */
  #step(bytes: Buffer, at: number): number {
    if (this.#state === 'head') return this.#readHead(bytes, at);
    return this.#state === 'busy' && this.#body?.open === true ? this.#readBody(this.#body, bytes, at) : -1;
  }

  #keep(bytes: Buffer, at: number): void {
    const left = bytes.length - at;
    if (left === 0 || this.#state === 'linger') this.#held = undefined;
    else if (this.#state === 'tunnel') {
      this.#held = undefined;
      this.socket.unshift(bytes.subarray(at));
    } else if (this.#held === undefined) this.#held = new Held(bytes.subarray(at));
    else this.#held.drop(this.#held.length - left);
  }

  #adjustFlow(): void {
    const hold =
      this.#state === 'busy' &&
      (this.#body?.paused === true || (this.#held !== undefined && this.#held.length >= mostWaiting));
    if (hold === this.#paused || this.#state === 'tunnel') return;
    this.#paused = hold;
    if (hold) this.socket.pause();
    else this.socket.resume();
  }

  #readHead(bytes: Buffer, at: number): number {
    const head = this.#reader.read(bytes, at, this.#shared.settings.limits);
    const { end } = this.#reader;
    if (head instanceof Http1Request) this.#begin(head);
    else if (head !== undefined) return this.#refuse(head);
    return end > at ? end : -1;
  }

  #begin(request: Http1Request): void {
    const { headerBytes, headerCount, bodyBytes } = this.#shared.settings.limits;
    this.#requests += 1;
    if (bodyBytes > 0 && request.length > bodyBytes) {
      this.#refuse(refusals.bodyTooLarge);
      return;
    }
    this.#state = 'busy';
    if (request.length !== 0) {
      const limits = { bodyBytes, trailerBytes: headerBytes, trailerCount: headerCount };
      request.body = this.#body = new Http1Body(this, request, limits);
    }
    this.#request = request;
    this.#response = new Http1Response(this, request);
    this.#shared.handle(request, this.#response);
  }

  #readBody(body: Http1Body, bytes: Buffer, at: number): number {
    const end = body.take(bytes, at);
    if (typeof end !== 'number') return this.#refuse(end);
    if (this.#response?.over === true && !body.open && this.#state === 'busy') {
      if (body.done) this.#next();
      else this.#close();
    }
    return end;
  }

  #next(): void {
    this.#request = undefined;
    this.#response = undefined;
    this.#body = undefined;
    this.#state = 'head';
    this.#since = this.#shared.now;
    this.#proceed();
  }

  /** Ambiguous, too large, too slow: says so where it still can, and reads nothing more. */
  #refuse(refusal: Refusal): -1 {
    if (refusal.limit !== undefined) this.#shared.onLimit(refusal.limit);
    if (this.#state === 'busy') {
      if (this.#response?.over === true || this.#response?.refuse(refusal) === true) this.#close();
    } else {
      this.socket.write(refusalText(refusal), 'latin1');
      this.#shared.onRefused(this.#peer, refusal.status);
      this.#close();
    }
    return -1;
  }

  #close(): void {
    this.#state = 'linger';
    this.#since = this.#shared.now;
    if (!this.#advancing) this.#held = undefined;
    this.socket.end();
    this.#adjustFlow();
  }

  /**
   * The client does not send what it could of its body. Once the answer has begun, a body that stays open is a
   * conversation: both sides may be silent as long as in a tunnel.
   */
  #bodyOverdue(now: number, waited: number): boolean {
    const { bodyMs, tunnelIdleMs } = this.#shared.settings.timeouts;
    if (this.#body?.open !== true) return false;
    if (this.#response?.streaming !== true) return waited >= bodyMs;
    const silence = this.#silence.for(this.socket.bytesWritten, now);
    return tunnelIdleMs > 0 && Math.min(waited, silence) >= tunnelIdleMs;
  }

  /** The client does not read: what was given to the socket stays there, all of it, for too long. */
  #stalled(now: number, idleMs: number): boolean {
    if (this.socket.writableLength === 0) {
      this.#written = -1;
      return false;
    }
    const written = this.socket.bytesWritten;
    if (written !== this.#written) {
      this.#written = written;
      this.#stalledSince = now;
    }
    if (this.#state === 'linger') this.#since = now; // begins when everything is out
    return now - this.#stalledSince >= idleMs;
  }
}

/** 'close' follows and says the same. */
function onError(this: Socket): void {
  this.destroy();
}
