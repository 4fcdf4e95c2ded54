/** One request on a connection, as the rest of the proxy sees where its answer goes (RFC 9113 §8.1). */
import type { Duplex } from 'node:stream';
import { CertplaneError } from '../../core/errors.ts';
import { httpDate } from '../http1/http-date.ts';
import type { TerminatorTimeouts } from '../../core/terminator.ts';
import type { Outbound, Outcome } from '../proxy/exchange.ts';
import type { FramePlace } from './frame-writer.ts';
import { errorCode } from './protocol.ts';
import type { Http2Body } from './request-body.ts';
import type { SendingStream } from './sender.ts';
import { Http2Tunnel } from './tunnel.ts';
import { Unchanged } from '../http1/unchanged.ts';

/** The connection, as its streams see it. */
export interface StreamOwner {
  /** Milliseconds, in steps. */
  readonly now: number;
  /** `status` 0: trailers, which end the stream. */
  sendHeaders(stream: Http2Stream, status: number, headers: readonly string[]): void;
  sendData(stream: Http2Stream, chunk: Buffer): void;
  sendEnd(stream: Http2Stream): void;
  /** The answer is out. What the client still sends is not read, unless it is a tunnel's. */
  onAnswered(stream: Http2Stream): void;
  reset(stream: Http2Stream, code: number): void;
}

/** Bytes that may wait for the client before the backend is held up. */
const mostQueued = 32_768;

export class Http2Stream implements Outbound, SendingStream {
  readonly id: number;
  readonly lastFrame: FramePlace = { batch: -1, at: 0 };
  readonly queue: Buffer[] = [];
  queuedBytes = 0;
  sendWindow: number;
  listed = false;
  readonly isHead: boolean;
  /** All of the answer has been given to the connection. */
  answered = false;
  /** Absent: the client had sent all with its header section. */
  readonly body: Http2Body | undefined;
  readonly #owner: StreamOwner;
  #status = 0;
  #bytes = 0;
  /** Of Content-Length; what is still to be sent. */
  #left = Infinity;
  #bodyless = false;
  #state: 'open' | 'ending' | 'tunnel' | 'over' = 'open';
  #trailers: readonly string[] = [];
  #heldUp = false;
  #tunnel: Http2Tunnel | undefined;
  #onClose: ((outcome: Outcome) => void)[] = [];
  #onDrain: (() => void)[] = [];
  #stall: Unchanged | undefined;
  #silence: Unchanged | undefined;

  constructor(owner: StreamOwner, id: number, about: { isHead: boolean; body: Http2Body | undefined; window: number }) {
    this.#owner = owner;
    this.id = id;
    this.isHead = about.isHead;
    this.body = about.body;
    this.sendWindow = about.window;
  }

  get tunnels(): boolean {
    return this.#tunnel !== undefined;
  }

  /** Nothing of the answer has been sent. */
  get unanswered(): boolean {
    return this.#status === 0;
  }

  onClose(listener: (outcome: Outcome) => void): void {
    this.#onClose.push(listener);
  }

  onDrain(listener: () => void): void {
    this.#onDrain.push(listener);
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#state !== 'open' || this.#status !== 0 || status === 101) return;
    this.#owner.sendHeaders(this, status, headers);
  }

  head(status: number, _reason: string, headers: readonly string[]): void {
    if (this.#state !== 'open' || this.#status !== 0) return;
    this.#status = status;
    this.#bodyless = this.isHead || status === 204 || status === 304;
    let fields = headers;
    let dated = false;
    for (let i = 0; i < headers.length; i += 2) {
      const { length } = headers[i] as string;
      if (length === 4) dated ||= (headers[i] as string).toLowerCase() === 'date';
      else if (length === 14 && (headers[i] as string).toLowerCase() === 'content-length') {
        if (!this.#bodyless) this.#left = Number(headers[i + 1]);
        else if (status === 204) fields = headers.toSpliced(i, 2); // RFC 9110 §8.6
      }
    }
    if (!dated) fields = [...fields, 'date', httpDate()]; // RFC 9110 §6.6.1
    this.#owner.sendHeaders(this, status, fields);
  }

  write(chunk: Buffer): boolean {
    if (this.#state !== 'open' || this.#bodyless || chunk.length === 0) return true;
    this.#left -= chunk.length;
    if (this.#left < 0) {
      this.cut(); // more than announced
      return true;
    }
    return this.#send(chunk);
  }

  end(trailers: readonly string[]): void {
    if (this.#state !== 'open') return;
    if (this.#status === 0 || (this.#left !== Infinity && this.#left > 0)) {
      this.cut();
      return;
    }
    if (!this.#bodyless) this.#trailers = trailers;
    this.#state = 'ending';
    if (this.queue.length === 0) this.#finish();
  }

  flush(): void {
    // The session sends what has come together at the end of each turn.
  }

  tunnel(headers: readonly string[]): Duplex {
    if (this.#state !== 'open' || this.#status !== 0 || this.body === undefined) {
      throw new CertplaneError('internal.unexpected', 'Only an unanswered request for a tunnel can become one.');
    }
    this.#status = 200;
    this.#state = 'tunnel';
    this.#tunnel = new Http2Tunnel(this, this.body);
    // RFC 8441 §5.1: there was no key that it could answer.
    const fields = headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'sec-websocket-accept');
    this.#owner.sendHeaders(this, 200, fields);
    return this.#tunnel;
  }

  cut(): void {
    if (this.#state !== 'over') this.#owner.reset(this, errorCode.internalError);
  }

  /** The tunnel's bytes; false: wait for its `onDrained`. */
  tunnelWrite(chunk: Buffer): boolean {
    return this.#state !== 'tunnel' || this.#send(chunk);
  }

  tunnelEnd(): void {
    if (this.#state !== 'tunnel') return;
    this.#state = 'ending';
    if (this.queue.length === 0) this.#finish();
  }

  /** Nobody uses the tunnel any more. */
  tunnelClosed(): void {
    if (this.#state !== 'over') this.#owner.reset(this, errorCode.cancel);
  }

  onEmptied(): void {
    if (this.#state === 'ending') this.#finish();
  }

  onRoom(): void {
    if (!this.#heldUp || this.queuedBytes > mostQueued / 2) return;
    this.#heldUp = false;
    if (this.#tunnel !== undefined) this.#tunnel.onDrained();
    for (const listener of this.#onDrain) listener();
  }

  /** The exchange is over; `status`: what was sent in its place, if anything. */
  close(complete: boolean, status = this.#status): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const outcome = { status, bytes: this.#bytes - this.queuedBytes, complete };
    this.queue.length = 0;
    this.queuedBytes = 0;
    // What a tunnel received before both sides ended is still read from it.
    if (!complete || this.#tunnel === undefined) {
      this.body?.abandon();
      this.#tunnel?.destroy();
    }
    for (const listener of this.#onClose) listener(outcome);
  }

  /** How long the client has not taken what waits for it, in milliseconds. */
  stalled(): number {
    this.#stall ??= new Unchanged();
    return this.#stall.for(this.queuedBytes === 0 ? NaN : this.#bytes - this.queuedBytes, this.#owner.now);
  }

  /**
   * The client does not send what it could of its body. Once the answer has begun, a body that stays open is a
   * conversation: both sides may be silent as long as in a tunnel, which looks after itself.
   */
  bodyOverdue({ bodyMs, tunnelIdleMs }: Pick<TerminatorTimeouts, 'bodyMs' | 'tunnelIdleMs'>): boolean {
    const waited = this.body?.waited() ?? 0;
    if (this.#state === 'tunnel' || (this.#tunnel !== undefined && !this.answered)) return false;
    if (this.#state !== 'open' || this.#status === 0) return waited >= bodyMs;
    this.#silence ??= new Unchanged();
    const silence = this.#silence.for(this.#bytes, this.#owner.now);
    return tunnelIdleMs > 0 && Math.min(waited, silence) >= tunnelIdleMs;
  }

  #send(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    this.#owner.sendData(this, chunk);
    this.#heldUp ||= this.queuedBytes > mostQueued;
    return !this.#heldUp;
  }

  #finish(): void {
    if (this.#trailers.length > 0) this.#owner.sendHeaders(this, 0, this.#trailers);
    else this.#owner.sendEnd(this);
    this.answered = true;
    this.#owner.onAnswered(this);
  }
}
