import type { Socket } from 'node:net';
import type { BackendFailure, BackendRequest, CallerConnection } from '../backend.ts';
import type { Pulse, Pulsed } from '../pulse.ts';
import type { Carrier, CarrierOwner, TransportLimits } from '../transport.ts';
import { Loan, ReadBuffer, type ReadSink } from './read-buffer.ts';
import { requestHead, trailerLines } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import { ResponseParser, type ResponseEvents } from './response-parser.ts';
import type { Resting } from './rest.ts';
import { accepts, keyOf } from './web-socket.ts';

/** Smaller pieces of a body go out at once: somebody may wait for them. */
const worthGathering = 8_192;

/** Whoever keeps the connection between requests. */
export interface ConnectionKeeper {
  readonly pulse: Pulse;
  limits(): TransportLimits;
  /** Request and response have both ended exactly on their framing. */
  giveBack(connection: Http1Connection): void;
  onRested(connection: Http1Connection): void;
  onGone(connection: Http1Connection): void;
}

/**
 * One connection to an HTTP/1.1 backend. It serves one request at a time. Bytes that belong to no request (more than
 * the framing announced, or anything while nobody waits) destroy it: never §5.13.
 */
export class Http1Connection implements Carrier, ResponseEvents, ReadSink, Pulsed, Resting {
  readonly reading = new ReadBuffer(this);
  /** Whom its PROXY header named. */
  readonly caller: CallerConnection | undefined;
  readonly #keeper: ConnectionKeeper;
  readonly #parser = new ResponseParser(this);
  #socket: Socket | undefined;
  #owner: CarrierOwner | undefined;
  /** Requests it has carried to their end. */
  #served = 0;
  #chunked = false;
  #requestDone = true;
  #answered = false;
  #reusable = false;
  #paused = false;
  #gathering = false;
  #surplus = false;
  /** Of the upgrade that was asked for. */
  #key: string | undefined;
  /** Times of the pulse. */
  #sentAt = 0;
  #lastAt = 0;
  /** Bytes waiting to be sent at the last beat. */
  #waitingBytes = 0;
  /** How long it may wait for its next request. */
  #restMs = 0;
  keepAliveMs: number | undefined;

  constructor(keeper: ConnectionKeeper, caller: CallerConnection | undefined) {
    this.#keeper = keeper;
    this.caller = caller;
  }

  /** `stream`: the socket is not read through `reading`. */
  attach(socket: Socket, stream: boolean): void {
    this.#socket = socket;
    this.#lastAt = this.#keeper.pulse.now;
    this.#keeper.pulse.add(this);
    socket.setDefaultEncoding('latin1'); // said once, it is not looked up for each request
    if (stream) socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  get reused(): boolean {
    return this.#served > 0;
  }

  get expected(): number {
    return this.#parser.left;
  }

  /** Usable for another request: open, and nothing came that nobody asked for. */
  get clean(): boolean {
    const socket = this.#socket;
    return (
      !this.#surplus &&
      this.#owner === undefined &&
      socket !== undefined &&
      !socket.destroyed &&
      socket.readable &&
      socket.writable
    );
  }

  /** Waits for its next request for at most `restMs`. */
  rest(restMs: number): void {
    this.#restMs = restMs;
    this.#lastAt = this.#keeper.pulse.now;
  }

  onRested(): void {
    this.#keeper.onRested(this);
  }

  send(request: BackendRequest, owner: CarrierOwner): void {
    const socket = this.#socket as Socket;
    this.#owner = owner;
    this.#answered = false;
    this.#chunked = request.body === 'chunked';
    this.#requestDone = request.body === 'none';
    this.#waitingBytes = 0;
    this.#sentAt = this.#lastAt = this.#keeper.pulse.now;
    const upgrade = request.upgrade === undefined ? undefined : keyOf(request.headers);
    this.#key = upgrade?.key;
    this.#parser.begin(request.method, upgrade !== undefined);
    const head = requestHead(request, upgrade?.own === true ? upgrade.key : undefined);
    if (this.#requestDone) {
      socket.write(head);
      owner.onReady();
      return;
    }
    socket.cork(); // the beginning of the body, where it is here already, goes along
    socket.write(head);
    owner.onReady();
    socket.uncork();
  }

  write(chunk: Buffer, release: (() => void) | undefined): boolean {
    const socket = this.#socket;
    if (this.#owner === undefined || socket === undefined || chunk.length === 0) return true; // an empty chunk would end the body
    this.#lastAt = this.#keeper.pulse.now;
    if (chunk.length >= worthGathering) this.#gather(socket);
    if (!this.#chunked) return socket.write(chunk, release);
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk, release);
    const more = socket.write('\r\n');
    socket.uncork();
    return more;
  }

  finish(trailers: readonly string[]): void {
    if (this.#owner === undefined || this.#requestDone) return;
    this.#requestDone = true;
    this.#sentAt = this.#lastAt = this.#keeper.pulse.now;
    if (this.#chunked) this.#socket?.write(trailerLines(trailers));
  }

  pause(): void {
    if (this.#owner === undefined) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#paused || this.#owner === undefined) return;
    this.#paused = false;
    this.#lastAt = this.#keeper.pulse.now;
    this.#socket?.resume();
  }

  abort(): void {
    this.destroy();
  }

  destroy(): void {
    this.#owner = undefined;
    this.#socket?.destroy();
  }

  /** A gap is the backend's only while we wait for it: not while the client does not read, or has yet to send. */
  beat(now: number): void {
    const socket = this.#socket as Socket;
    if (this.#owner === undefined) {
      if (now - this.#lastAt > this.#restMs) socket.destroy();
      return;
    }
    const waiting = socket.writableLength;
    const moved = waiting !== this.#waitingBytes;
    this.#waitingBytes = waiting;
    if (moved || this.#paused || (!this.#requestDone && waiting === 0)) {
      this.#lastAt = now;
      if (waiting > 0) this.#sentAt = now;
      return;
    }
    const { firstByteMs, idleMs } = this.#keeper.limits();
    if (now - this.#lastAt > idleMs) this.#fail('backend-timeout', `no byte in ${idleMs} ms`);
    else if (
      firstByteMs > 0 &&
      !this.#answered &&
      this.#requestDone &&
      waiting === 0 &&
      now - this.#sentAt > firstByteMs
    )
      this.#fail('backend-timeout', `no answer in ${firstByteMs} ms`);
  }

  onRead(data: Buffer, length: number, loan: Loan | undefined): void {
    const owner = this.#owner;
    if (owner === undefined) {
      this.#surplus = true;
      this.destroy();
      return;
    }
    this.#lastAt = this.#keeper.pulse.now;
    this.#answered = true;
    let surplus: number;
    try {
      surplus = this.#parser.push(data, length, loan);
    } catch (error) {
      this.#fail('backend-bad-answer', error instanceof Error ? error.message : String(error));
      return;
    }
    if (surplus > 0) {
      // The owner has its answer; what is left over belongs to nobody.
      this.#surplus = true;
      if (this.#owner === undefined) this.destroy();
    }
    owner.onTurn();
  }

  onInformational(head: ResponseHead): void {
    this.#owner?.onInformational(head);
  }

  onHead(head: ResponseHead): void {
    this.#reusable = head.keepAlive && head.framing !== 'close' && this.#key === undefined;
    this.keepAliveMs = head.keepAliveMs;
    this.#owner?.onHead(head);
  }

  onData(chunk: Buffer, loan: Loan | undefined): void {
    this.#owner?.onData(chunk, loan?.part());
  }

  onEnd(trailers: readonly string[]): void {
    const owner = this.#owner;
    const socket = this.#socket as Socket;
    if (owner === undefined) return;
    this.#owner = undefined;
    // A request that is not sent to its end has no end of framing: the connection is not used again.
    if (this.#reusable && this.#requestDone && socket.writableLength === 0) {
      if (this.#paused) socket.resume();
      this.#paused = false;
      this.#served += 1;
      this.#keeper.giveBack(this);
    } else this.destroy();
    owner.onEnd(trailers);
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    if (!accepts(head.headers, this.#key as string)) {
      this.#fail('backend-bad-answer', 'its 101 does not answer the key of the request');
      return;
    }
    const owner = this.#owner;
    if (owner === undefined) return;
    this.#owner = undefined;
    const socket = this.#detach().pause();
    if (rest.length > 0) socket.unshift(rest);
    owner.onUpgrade(head, socket);
  }

  #detach(): Socket {
    const socket = this.#socket as Socket;
    socket.off('data', this.#onData).off('drain', this.#onDrain).off('end', this.#onEnd);
    socket.off('error', this.#onError).off('close', this.#onClose);
    this.#keeper.pulse.delete(this);
    // It counts as open for as long as its new owner keeps it.
    socket.once('close', () => this.#keeper.onGone(this));
    return socket;
  }

  /** What comes in this turn goes out together: TLS gives a body in records of 16 KiB, and each write is a system call. */
  #gather(socket: Socket): void {
    if (this.#gathering) return;
    this.#gathering = true;
    socket.cork();
    setImmediate(this.#onGathered);
  }

  readonly #onGathered = (): void => {
    this.#gathering = false;
    this.#socket?.uncork();
  };

  readonly #onData = (chunk: Buffer): void => this.onRead(chunk, chunk.length, new Loan(undefined));

  readonly #onDrain = (): void => {
    this.#lastAt = this.#keeper.pulse.now;
    if (this.#requestDone) this.#sentAt = this.#lastAt;
    this.#owner?.onDrain();
  };

  readonly #onEnd = (): void => {
    if (this.#owner === undefined || this.#parser.close()) this.destroy();
    else this.#fail('backend-closed', 'closed before the end of its answer');
  };

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    const tls = error.code?.startsWith('ERR_SSL') === true;
    this.#fail(
      tls ? 'backend-tls' : error.code === 'ETIMEDOUT' ? 'backend-timeout' : 'backend-reset',
      error.code ?? error.message,
    );
  };

  readonly #onClose = (): void => {
    this.#fail('backend-closed', 'closed');
    this.#keeper.pulse.delete(this);
    this.#keeper.onGone(this);
  };

  /** Ends it, and the request on it. */
  cut(failure: BackendFailure, detail: string): void {
    this.#fail(failure, detail);
  }

  #fail(failure: BackendFailure, detail: string): void {
    const owner = this.#owner;
    this.destroy();
    owner?.onLost(failure, detail, false);
  }
}
