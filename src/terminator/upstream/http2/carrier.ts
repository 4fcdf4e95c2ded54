import { constants, type ClientHttp2Stream } from 'node:http2';
import type { BackendFailure, BackendRequest, BackendResponseHead } from '../backend.ts';
import type { Carrier, CarrierOwner } from '../transport.ts';
import { find } from '../headers.ts';
import { requestHeaders } from './request-headers.ts';
import type { Http2Session } from './session.ts';

/** One request on an HTTP/2 stream. */
export class Http2Carrier implements Carrier {
  readonly #session: Http2Session;
  #owner: CarrierOwner | undefined;
  #stream: ClientHttp2Stream | undefined;
  #method = 'GET';
  #upgrade = false;
  #requestDone = false;
  #answered = false;
  /** The response has ended with END_STREAM. */
  #complete = false;
  /** Bytes that Content-Length still promises. */
  #promised: number | undefined;
  #trailers: readonly string[] = [];
  #requestTrailers: readonly string[] = [];
  #turning = false;
  #sentAt = 0;
  #lastAt = 0;
  #waitingBytes = 0;

  constructor(session: Http2Session) {
    this.#session = session;
    session.enter(this);
  }

  get reused(): boolean {
    return this.#session.reused;
  }

  send(request: BackendRequest, owner: CarrierOwner): void {
    const session = this.#session;
    this.#owner = owner;
    this.#method = request.method;
    this.#upgrade = request.upgrade !== undefined;
    this.#requestDone = request.body === 'none';
    this.#sentAt = this.#lastAt = session.pulse.now;
    if (this.#upgrade && !session.takesWebSockets) {
      this.#lost('backend-unavailable', 'the backend does not take WebSockets over HTTP/2 (RFC 8441)', false);
      return;
    }
    const endStream = this.#requestDone && !this.#upgrade;
    // Asking for trailers costs a frame, so only where some are announced.
    const waitForTrailers = !endStream && !this.#upgrade && find(request.headers, 'trailer') !== undefined;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(requestHeaders(request, session.scheme), { endStream, waitForTrailers });
    } catch (error) {
      this.#lost('backend-bad-answer', `the request cannot be sent over HTTP/2: ${(error as Error).message}`, false);
      return;
    }
    this.#stream = stream;
    this.#listen(stream, waitForTrailers);
    owner.onReady();
  }

  write(chunk: Buffer, release: (() => void) | undefined): boolean {
    const stream = this.#stream;
    if (this.#owner === undefined || stream === undefined || stream.destroyed || stream.writableEnded) return true;
    this.#lastAt = this.#session.pulse.now;
    return stream.write(chunk, release);
  }

  finish(trailers: readonly string[]): void {
    if (this.#owner === undefined || this.#requestDone) return;
    this.#requestDone = true;
    this.#sentAt = this.#lastAt = this.#session.pulse.now;
    this.#requestTrailers = trailers;
    if (this.#stream?.writableEnded === false) this.#stream.end();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#lastAt = this.#session.pulse.now;
    this.#stream?.resume();
  }

  abort(): void {
    this.#release();
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  /** As with HTTP/1.1: a gap is the backend's only while we wait for it. */
  beat(now: number): void {
    const stream = this.#stream;
    if (this.#owner === undefined || stream === undefined) return;
    const waiting = stream.writableLength;
    const moved = waiting !== this.#waitingBytes;
    this.#waitingBytes = waiting;
    if (moved || stream.isPaused() || (!this.#requestDone && waiting === 0)) {
      this.#lastAt = now;
      if (waiting > 0) this.#sentAt = now;
      return;
    }
    const { firstByteMs, idleMs } = this.#session.limits;
    if (now - this.#lastAt > idleMs) this.#timedOut(`no byte in ${idleMs} ms`);
    else if (firstByteMs > 0 && !this.#answered && waiting === 0 && now - this.#sentAt > firstByteMs)
      this.#timedOut(`no answer in ${firstByteMs} ms`);
  }

  #listen(stream: ClientHttp2Stream, trailers: boolean): void {
    // Node emits `end` also for a stream that was reset without an error code; only END_STREAM comes while it is open.
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown) => {
      if (chunk === null && !stream.closed) this.#complete = true;
      return push(chunk);
    };
    stream.on('headers', this.#onInformational);
    stream.on('response', this.#onResponse);
    stream.on('trailers', this.#onTrailers);
    stream.on('drain', this.#onDrain);
    stream.on('error', ignore); // its close tells the same
    stream.on('close', this.#onClose);
    if (trailers) stream.once('wantTrailers', () => stream.sendTrailers(trailerObject(this.#requestTrailers)));
  }

  readonly #onInformational = (_headers: unknown, _flags: number, raw: readonly string[]): void => {
    this.#seen();
    this.#owner?.onInformational(responseHead(raw));
    this.#owner?.onTurn();
  };

  readonly #onResponse = (_headers: unknown, _flags: number, raw: readonly string[]): void => {
    const owner = this.#owner;
    const stream = this.#stream as ClientHttp2Stream;
    if (owner === undefined) return;
    this.#seen();
    const head = responseHead(raw);
    if (this.#upgrade && head.status >= 200 && head.status < 300) {
      this.#handOver(head, stream, owner);
      return;
    }
    const length = this.#method === 'HEAD' || head.status === 304 ? undefined : find(head.headers, 'content-length');
    this.#promised = length === undefined ? undefined : Number(length);
    owner.onHead(head);
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    this.#turn();
  };

  readonly #onData = (chunk: Buffer): void => {
    this.#seen();
    if (this.#promised !== undefined) this.#promised -= chunk.length;
    this.#owner?.onData(chunk, undefined);
    this.#turn();
  };

  readonly #onTrailers = (_headers: unknown, _flags: number, raw: readonly string[]): void => {
    this.#trailers = raw;
  };

  readonly #onEnd = (): void => {
    const owner = this.#owner;
    const stream = this.#stream as ClientHttp2Stream;
    // Node's servers may reset a stream without an error where its END_STREAM is due: then its length tells.
    const whole = this.#promised === undefined ? this.#complete : this.#promised === 0;
    if (owner === undefined || !whole) return; // `close` tells what it was
    this.#release();
    // Answered before all of the request was sent: the rest is not wanted (RFC 9113 §8.1).
    if (!this.#requestDone) stream.close(constants.NGHTTP2_NO_ERROR);
    owner.onEnd(this.#trailers);
    owner.onTurn();
  };

  readonly #onDrain = (): void => {
    this.#lastAt = this.#session.pulse.now;
    this.#owner?.onDrain();
  };

  readonly #onClose = (): void => {
    const stream = this.#stream as ClientHttp2Stream;
    const [failure, detail] = lossOf(stream.rstCode ?? 0, this.#session.problem);
    this.#lost(failure, detail, this.#session.untouched(stream));
  };

  #handOver(head: BackendResponseHead, stream: ClientHttp2Stream, owner: CarrierOwner): void {
    this.#owner = undefined;
    stream.off('headers', this.#onInformational).off('response', this.#onResponse).off('trailers', this.#onTrailers);
    stream.off('drain', this.#onDrain).off('close', this.#onClose);
    stream.once('close', () => this.#release());
    owner.onUpgrade(head, stream.pause());
  }

  #seen(): void {
    this.#answered = true;
    this.#lastAt = this.#session.pulse.now;
  }

  /** All frames that came together are read before this runs. */
  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    process.nextTick(this.#onTurn);
  }

  readonly #onTurn = (): void => {
    this.#turning = false;
    this.#owner?.onTurn();
  };

  #timedOut(detail: string): void {
    const stream = this.#stream as ClientHttp2Stream;
    this.#session.doubt();
    this.#lost('backend-timeout', detail, false);
    stream.close(constants.NGHTTP2_CANCEL);
  }

  #lost(failure: BackendFailure, detail: string, untouched: boolean): void {
    const owner = this.#owner;
    this.#release();
    owner?.onLost(failure, detail, untouched);
  }

  #release(): void {
    this.#owner = undefined;
    this.#session.leave(this);
  }
}

function ignore(): void {
  // told by another event
}

function responseHead(raw: readonly string[]): BackendResponseHead {
  const headers: string[] = [];
  let status = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name === ':status') status = Number(raw[i + 1]);
    else if (!name.startsWith(':')) headers.push(name, raw[i + 1] as string);
  }
  return { status, reason: '', headers, version: '2' };
}

function lossOf(code: number, problem: string): [BackendFailure, string] {
  switch (code) {
    case constants.NGHTTP2_REFUSED_STREAM:
      return ['backend-closed', 'the backend refused the stream'];
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_HTTP_1_1_REQUIRED:
      return ['backend-bad-answer', `the stream ended with code ${code}`];
    default:
      return ['backend-reset', `the stream ended with code ${code} (${problem})`];
  }
}

function trailerObject(trailers: readonly string[]): Record<string, string[]> {
  const result: Record<string, string[]> = {};
  for (let i = 0; i < trailers.length; i += 2)
    (result[(trailers[i] as string).toLowerCase()] ??= []).push(trailers[i + 1] as string);
  return result;
}
