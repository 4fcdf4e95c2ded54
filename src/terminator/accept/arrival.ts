import type { Socket } from 'node:net';
import { HelloReader, type HelloResult } from './hello-reader.ts';
import type { Peer } from './peer.ts';
import { readProxyHeader, type ProxyHeader } from './proxy-header.ts';

/** What becomes of it; exactly one of them, once. After it, no listener is left on the socket but for its errors. */
export interface ArrivalEnd {
  /** `firstBytes`: all that has been read, the hello (or the other words that are no hello) included. The socket is paused. */
  arrived(arrival: Arrival, hello: Exclude<HelloResult, 'more'>, firstBytes: Buffer): void;
  /** The bytes behind a PROXY header on a listener for plain HTTP. The socket is paused. */
  arrivedPlain(arrival: Arrival, firstBytes: Buffer): void;
  /** The PROXY header is read. Undefined: it is refused, and nothing else follows; otherwise whose connection it is. */
  proxied(arrival: Arrival, header: ProxyHeader | 'malformed'): Peer | undefined;
  /** The client closed it, or it broke. `silent`: without having sent a byte. */
  left(arrival: Arrival, silent: boolean): void;
}

const nothing = Buffer.alloc(0);

/** A connection until its first bytes say what it wants. */
export class Arrival {
  readonly socket: Socket;
  readonly protocol: 'https' | 'http';
  peer: Peer;
  /** It was there, waiting, when somebody last asked. */
  seenWaiting = false;
  readonly #end: ArrivalEnd;
  /** Undefined while a PROXY header is awaited, and on listeners for plain HTTP. */
  #reader: HelloReader | undefined;
  /** The PROXY header so far. */
  #header: Buffer = nothing;
  #silent = true;

  constructor(socket: Socket, peer: Peer, expectsHeader: boolean, end: ArrivalEnd) {
    this.socket = socket;
    this.protocol = peer.protocol;
    this.peer = peer;
    this.#end = end;
    if (!expectsHeader) this.#reader = new HelloReader();
    socket.on('data', this.#onData);
    socket.on('end', this.#onGone);
    socket.on('close', this.#onGone);
  }

  /** Nobody waits for its bytes any more. */
  stop(): void {
    const { socket } = this;
    // First of all, or the stream would go on and throw away what comes.
    socket.pause();
    socket.off('data', this.#onData);
    socket.off('end', this.#onGone);
    socket.off('close', this.#onGone);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#silent = false;
    if (this.#reader === undefined) this.#readHeader(chunk);
    else this.#readHello(this.#reader, chunk);
  };

  readonly #onGone = (): void => {
    this.stop();
    this.socket.destroy();
    this.#end.left(this, this.#silent);
  };

  #readHello(reader: HelloReader, chunk: Buffer): void {
    const hello = reader.push(chunk);
    if (hello === 'more') return;
    this.stop();
    this.#end.arrived(this, hello, reader.bytes);
  }

  #readHeader(chunk: Buffer): void {
    this.#header = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    const header = readProxyHeader(this.#header);
    if (header === 'more') return;
    const peer = this.#end.proxied(this, header);
    if (peer === undefined || header === 'malformed') return;
    this.peer = peer;
    const rest = this.#header.subarray(header.length);
    this.#header = nothing;
    if (this.protocol === 'http') {
      this.stop();
      this.#end.arrivedPlain(this, rest);
      return;
    }
    this.#reader = new HelloReader();
    if (rest.length > 0) this.#readHello(this.#reader, rest);
  }
}
