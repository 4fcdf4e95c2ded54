import { connect, type Socket } from 'node:net';
import type { BackendFailure } from './backend.ts';
import { ResponseParser, type ResponseEvents } from './response-parser.ts';

/** Where the requests of one origin go. */
export interface Origin {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionOwner extends ResponseEvents {
  onConnected(): void;
  /** What came in one piece has been read. */
  onTurn(): void;
  onDrain(): void;
  /** The socket is idle for the time set with `watch`. */
  onIdle(): void;
  /** The connection is over before the response was; it has been destroyed. */
  onFailure(failure: BackendFailure, detail: string): void;
}

/**
 * One TCP connection to a backend. It serves one request at a time, for its `owner`. Bytes that belong to no request
 * (more than the framing announced, or anything while nobody waits) destroy it: DESIGN §5.13.
 */
export class BackendConnection {
  readonly socket: Socket;
  /** Requests it has carried before the present one. */
  served = 0;
  /** How long it may wait for its next request, as the backend said. */
  keepAliveMs: number | undefined;
  #owner: ConnectionOwner | undefined;
  #parser: ResponseParser | undefined;
  #connected = false;
  #surplus = false;
  readonly #onGone: (connection: BackendConnection) => void;

  constructor(origin: Origin, connectTimeoutMs: number, onGone: (connection: BackendConnection) => void) {
    this.#onGone = onGone;
    this.socket = connect({ host: origin.host, port: origin.port, noDelay: true, keepAlive: true });
    const slow = setTimeout(() => this.#fail('backend-connect-timeout', 'no connection in time'), connectTimeoutMs);
    this.socket.once('connect', () => {
      clearTimeout(slow);
      this.#connected = true;
      this.#owner?.onConnected();
    });
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.socket.on('drain', () => this.#owner?.onDrain());
    this.socket.on('timeout', () => (this.#owner === undefined ? this.destroy() : this.#owner.onIdle()));
    this.socket.once('end', () => this.#ended());
    this.socket.once('error', (error: NodeJS.ErrnoException) =>
      this.#fail(failureOf(error, this.#connected), error.code),
    );
    this.socket.once('close', () => {
      clearTimeout(slow);
      this.#fail('backend-closed', 'closed');
      this.#onGone(this);
    });
  }

  /** Usable for another request: open, and nothing came that nobody asked for. */
  get clean(): boolean {
    return (
      !this.#surplus &&
      !this.socket.destroyed &&
      this.socket.readable &&
      this.socket.writable &&
      this.#owner === undefined
    );
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Makes `owner` the one whose response comes next. */
  begin(owner: ConnectionOwner, method: string, upgradable: boolean): void {
    this.#owner = owner;
    this.#parser = new ResponseParser(owner, method, upgradable);
  }

  /** The response has ended; nothing more is expected. */
  release(): void {
    this.#owner = undefined;
    this.#parser = undefined;
    this.served += 1;
  }

  /** The socket is somebody else's from here (an upgrade): its bytes are not read here any more. */
  detach(): Socket {
    this.socket.removeAllListeners('data').removeAllListeners('drain').removeAllListeners('timeout');
    this.socket.removeAllListeners('end').removeAllListeners('error').removeAllListeners('close');
    this.socket.setTimeout(0);
    this.#owner = undefined;
    this.#onGone(this);
    return this.socket;
  }

  destroy(): void {
    this.#owner = undefined;
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#parser === undefined) {
      this.destroy();
      return;
    }
    const owner = this.#owner;
    let taken: number;
    try {
      taken = this.#parser.push(chunk);
    } catch (error) {
      this.#fail('backend-bad-answer', error instanceof Error ? error.message : String(error));
      return;
    }
    // The owner may have released it meanwhile; what is left over belongs to nobody either way.
    if (taken < chunk.length) {
      this.#surplus = true;
      if (this.#owner === undefined) this.destroy();
    }
    owner?.onTurn();
  }

  #ended(): void {
    if (this.#parser?.close() === true || this.#owner === undefined) this.destroy();
    else this.#fail('backend-closed', 'closed before the end of its answer');
  }

  #fail(failure: BackendFailure, detail = ''): void {
    const owner = this.#owner;
    this.destroy();
    owner?.onFailure(failure, detail);
  }
}

function failureOf(error: NodeJS.ErrnoException, connected: boolean): BackendFailure {
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') return 'backend-unresolvable';
  if (error.code === 'ETIMEDOUT') return connected ? 'backend-timeout' : 'backend-connect-timeout';
  return connected ? 'backend-reset' : 'backend-refused';
}
