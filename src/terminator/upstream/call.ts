import type { BackendCall, BackendEvents, BackendFailure, BackendRequest } from './backend.ts';
import type { BackendConnection, ConnectionOwner } from './connection.ts';
import type { OriginPool } from './pool.ts';
import { requestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';

/** Methods that may be sent twice (RFC 9110 §9.2.2). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

/** One request to a backend and its response. */
export class Http1Call implements BackendCall, ConnectionOwner {
  readonly #pool: OriginPool;
  readonly #request: BackendRequest;
  readonly #events: BackendEvents;
  readonly #idleMs: number;
  #connection: BackendConnection;
  #attempts = 1;
  #heard = false;
  #headSeen = false;
  #requestDone: boolean;
  #reusable = true;
  #paused = false;
  #over = false;

  constructor(pool: OriginPool, request: BackendRequest, events: BackendEvents, idleMs: number) {
    this.#pool = pool;
    this.#request = request;
    this.#events = events;
    this.#idleMs = idleMs;
    this.#requestDone = request.body === 'none';
    this.#connection = (request.upgrade === undefined ? pool.takeIdle() : undefined) ?? pool.open();
  }

  get endpoint(): string {
    return this.#pool.endpoint;
  }

  start(): void {
    this.#connection.begin(this, this.#request.method, this.#request.upgrade !== undefined);
    if (this.#connection.connected) this.onConnected();
  }

  /** False: wait for `onDrain` before writing more. */
  write(chunk: Buffer): boolean {
    if (this.#over) return true;
    const { socket } = this.#connection;
    if (this.#request.body === 'length') return socket.write(chunk);
    if (chunk.length === 0) return true; // an empty chunk would end the body
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }

  /** The request body is complete. Trailers (name, value, …) go out only with a chunked body. */
  finish(trailers: readonly string[]): void {
    if (this.#over || this.#requestDone) return;
    this.#requestDone = true;
    if (this.#request.body !== 'chunked') return;
    let text = '0\r\n';
    for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
    this.#connection.socket.write(`${text}\r\n`, 'latin1');
  }

  pause(): void {
    if (this.#over) return;
    this.#paused = true;
    this.#connection.socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.#connection.socket.resume();
  }

  /** The client has gone: so does the connection. No event follows. */
  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.destroy();
  }

  onConnected(): void {
    const { socket } = this.#connection;
    socket.setTimeout(this.#idleMs);
    socket.write(requestHead(this.#request), 'latin1');
    this.#events.onReady();
  }

  onDrain(): void {
    this.#events.onDrain();
  }

  /** A gap is the backend's only while we wait for it: not while the client does not read, or has yet to send. */
  onIdle(): void {
    const waitsForClient = this.#paused || (!this.#requestDone && this.#connection.socket.writableLength === 0);
    if (waitsForClient) this.#connection.socket.setTimeout(this.#idleMs);
    else this.#fail('backend-timeout', 'no byte in time');
  }

  onInformational(head: ResponseHead): void {
    this.#heard = true;
    if (!this.#over) this.#events.onInformational(head);
  }

  onHead(head: ResponseHead): void {
    this.#heard = true;
    this.#headSeen = true;
    this.#reusable = head.keepAlive && head.framing !== 'close';
    this.#connection.keepAliveMs = head.keepAliveMs;
    if (!this.#over) this.#events.onHead(head);
  }

  onData(chunk: Buffer): void {
    if (!this.#over) this.#events.onData(chunk);
  }

  onEnd(trailers: readonly string[]): void {
    if (this.#over) return;
    this.#over = true;
    const connection = this.#connection;
    // A request that is not sent to its end has no end of framing: the connection is not reused.
    if (this.#reusable && this.#requestDone && connection.socket.writableLength === 0) {
      if (this.#paused) connection.socket.resume();
      this.#pool.giveBack(connection);
    } else connection.destroy();
    this.#events.onEnd(trailers);
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    if (this.#over) return;
    this.#over = true;
    const socket = this.#connection.detach();
    if (rest.length > 0) socket.unshift(rest);
    this.#events.onUpgrade(head, socket);
  }

  onTurn(): void {
    this.#events.onTurn();
  }

  onFailure(failure: BackendFailure, detail: string): void {
    if (this.#over) return;
    const stale = this.#connection.served > 0 && !this.#heard && this.#attempts === 1;
    const gone = failure === 'backend-reset' || failure === 'backend-closed';
    if (stale && gone && this.#request.body === 'none' && idempotent.has(this.#request.method)) {
      // The backend closed an idle connection as we used it. The second attempt gets a fresh one.
      this.#attempts += 1;
      this.#connection = this.#pool.open();
      this.start();
      return;
    }
    this.#fail(failure, detail);
  }

  #fail(failure: BackendFailure, detail: string): void {
    this.#over = true;
    this.#connection.destroy();
    this.#events.onFailure(failure, detail, this.#headSeen);
  }
}
