import { connect, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { BackendFailure, CallerConnection } from './backend.ts';
import { proxyHeader } from './proxy-protocol-out.ts';
import type { EndpointTls, TlsReady } from './tls.ts';

/** Where a socket goes. */
export type SocketAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface DialTarget {
  readonly address: SocketAddress;
  readonly tls: EndpointTls | undefined;
  readonly proxyProtocol: 'v1' | 'v2' | undefined;
  limits(): { readonly connectMs: number };
}

export interface DialOptions {
  /** For whom; absent: for ourselves, as a PROXY header says then. */
  readonly caller: CallerConnection | undefined;
  /** Reads the socket into buffers of ours; absent: it is an ordinary stream. */
  readonly reading?: OnReadOpts | undefined;
  readonly allowHalfOpen?: boolean;
}

export interface DialEvents {
  /** No listener of ours is left on the socket. */
  onConnected(socket: Socket): void;
  onFailure(failure: BackendFailure, detail: string): void;
}

/**
 * Opens a socket: TCP or unix, then the PROXY header, then TLS. Exactly one event follows, never before `dial` has
 * returned, and none after `abort`.
 */
export function dial(target: DialTarget, options: DialOptions, events: DialEvents): { abort(): void } {
  return new Dial(target, options, events);
}

class Dial {
  readonly #target: DialTarget;
  readonly #options: DialOptions;
  readonly #events: DialEvents;
  readonly #slow: NodeJS.Timeout;
  #socket: Socket | undefined;
  #over = false;

  constructor(target: DialTarget, options: DialOptions, events: DialEvents) {
    this.#target = target;
    this.#options = options;
    this.#events = events;
    const { tls } = target;
    const { connectMs } = target.limits();
    this.#slow = setTimeout(() => this.#fail('backend-connect-timeout', `not connected in ${connectMs} ms`), connectMs);
    if (tls === undefined) this.#open(undefined);
    else {
      tls.ready((ready) => {
        if (this.#over) return;
        if ('problem' in ready) setImmediate(() => this.#fail('backend-tls', ready.problem));
        else this.#open(ready);
      });
    }
  }

  abort(): void {
    if (!this.#over) this.#end();
  }

  #open(tls: TlsReady | undefined): void {
    const { address, proxyProtocol } = this.#target;
    const { reading, allowHalfOpen = false, caller } = this.#options;
    const common = { ...address, allowHalfOpen, noDelay: true, keepAlive: true };
    const onread = reading === undefined ? {} : { onread: reading };
    if (tls !== undefined && proxyProtocol === undefined) {
      this.#secure(connectTls({ ...common, ...tls.options, ...onread }), tls);
      return;
    }
    const socket = connect({ ...common, ...(tls === undefined ? onread : {}) });
    this.#watch(socket);
    socket.once('connect', () => {
      if (proxyProtocol !== undefined) socket.write(proxyHeader(proxyProtocol, caller));
      if (tls === undefined) this.#connected(socket);
      else {
        this.#unwatch();
        // Its failures show on the socket around it, too.
        socket.on('error', () => undefined);
        const secured = connectTls({ socket, ...tls.options });
        if (reading !== undefined) readStream(secured, reading);
        this.#secure(secured, tls);
      }
    });
  }

  #secure(socket: TLSSocket, tls: TlsReady): void {
    tls.watch(socket);
    this.#watch(socket);
    socket.once('secureConnect', () => {
      if (tls.alpn === 'h2' && socket.alpnProtocol !== 'h2')
        this.#fail('backend-tls', 'the backend does not offer HTTP/2 (ALPN h2)');
      else this.#connected(socket);
    });
  }

  #watch(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  #unwatch(): void {
    this.#socket?.off('error', this.#onError).off('close', this.#onClose);
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'ETIMEDOUT') this.#fail('backend-connect-timeout', error.code);
    else if (this.#target.tls === undefined || error.syscall === 'connect')
      this.#fail('backend-refused', error.code ?? error.message);
    else this.#fail('backend-tls', tlsDetail(error));
  };

  readonly #onClose = (): void => {
    this.#fail(this.#target.tls === undefined ? 'backend-refused' : 'backend-tls', 'closed before it was connected');
  };

  #connected(socket: Socket): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#slow);
    this.#unwatch();
    this.#events.onConnected(socket);
  }

  #fail(failure: BackendFailure, detail: string): void {
    if (this.#over) return;
    this.#end();
    this.#events.onFailure(failure, detail);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#slow);
    this.#unwatch();
    // What comes behind the first error is no news.
    this.#socket?.on('error', () => undefined).destroy();
  }
}

/** For a socket that cannot be read into buffers of ours: TLS inside another socket. */
function readStream(socket: TLSSocket, reading: OnReadOpts): void {
  socket.on('data', (chunk: Buffer) => reading.callback(chunk.length, chunk));
}

/** OpenSSL's and node's reasons, which name certificates and never keys. */
function tlsDetail(error: NodeJS.ErrnoException & { reason?: string }): string {
  const { code, message, reason = message } = error;
  const text = code === undefined || reason.includes(code) ? reason : `${code}: ${reason}`;
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
