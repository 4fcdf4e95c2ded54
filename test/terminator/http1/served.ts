/** An HTTP/1.1 front alone: on a real port, or on a socket that is made of memory. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { createSecureContext, TLSSocket } from 'node:tls';
import { defaultLimits, defaultTimeouts } from '../../../src/core/terminator.ts';
import type { Http1Settings } from '../../../src/terminator/http1/connection.ts';
import { createHttp1, type Http1 } from '../../../src/terminator/http1/http1.ts';
import type { Http1Limit } from '../../../src/terminator/http1/refusal.ts';
import { answer, type Connection, type Inbound, type Outbound } from '../../../src/terminator/proxy/exchange.ts';

export const client: Connection = {
  protocol: 'http',
  address: '192.0.2.1',
  port: 1024,
  localAddress: '192.0.2.2',
  localPort: 80,
  trusted: false,
};

/** What a handler got to see. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly host: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly framing: 'none' | 'length' | 'chunked';
  readonly upgrade: string | undefined;
  body: string;
  trailers: readonly string[];
  /** The body came to its end. */
  complete: boolean;
}

export type Handler = (inbound: Inbound, outbound: Outbound) => void;

export interface Front {
  readonly http1: Http1;
  readonly seen: Seen[];
  readonly refused: number[];
  /** Limits that took effect. */
  readonly limits: Http1Limit[];
  /** Time for deadlines passes. */
  readonly pass: (ms: number) => void;
  /** Deadlines are looked at. */
  readonly ticking: () => boolean;
}

export interface FrontOptions {
  limits?: Partial<Http1Settings['limits']>;
  timeouts?: Partial<Http1Settings['timeouts']>;
  /** By default the body is read and the answer is `ok` with status 200. */
  handler?: Handler;
}

export function settingsOf({ limits, timeouts }: FrontOptions): Http1Settings {
  return { limits: { ...defaultLimits, ...limits }, timeouts: { ...defaultTimeouts, ...timeouts } };
}

export function front(options: FrontOptions = {}): Front {
  const seen: Seen[] = [];
  const refused: number[] = [];
  const limits: Http1Limit[] = [];
  let tick: (() => void) | undefined;
  let tickMs = 0;
  const http1 = createHttp1({
    settings: settingsOf(options),
    handle: (inbound, outbound) => {
      const request = see(inbound);
      seen.push(request);
      if (options.handler !== undefined) options.handler(inbound, outbound);
      else readAll(inbound, request, () => answer(outbound, 200, 'ok\n'));
    },
    onRefused: (_connection, status) => refused.push(status),
    onLimit: (limit) => limits.push(limit),
    every: (ms, run) => {
      tickMs = ms;
      tick = run;
      return () => (tick = undefined);
    },
  });
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += tickMs) tick?.();
  };
  return { http1, seen, refused, limits, pass, ticking: () => tick !== undefined };
}

function see({ method, target, authority, host, version, headers, body, upgrade }: Inbound): Seen {
  const framing = body?.framing ?? 'none';
  const complete = body === undefined;
  const said = { method, target, authority, host, version, headers: [...headers], upgrade };
  return { ...said, framing, body: '', trailers: [], complete };
}

/** Reads the body into what was seen, then goes on. */
function readAll(inbound: Inbound, seen: Pick<Seen, 'body' | 'trailers' | 'complete'>, then: () => void): void {
  if (inbound.body === undefined) {
    then();
    return;
  }
  inbound.body.read({
    onData: (chunk) => (seen.body += chunk.toString('latin1')),
    onEnd: (trailers) => {
      seen.trailers = trailers;
      seen.complete = true;
      then();
    },
  });
}

/** A client's connection without a kernel: bytes arrive exactly as they are pushed, what is written is kept. */
export class MemorySocket extends Duplex {
  sent = '';
  /** One for each write the kernel would have seen. */
  writes = 0;
  bytesWritten = 0;
  wasReset = false;
  #held: (() => void) | undefined;
  #reads = true;

  constructor() {
    super({ allowHalfOpen: false, decodeStrings: false, highWaterMark: 65_536 });
    this.on('error', () => undefined);
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroy();
  }

  /** The client stops taking what is sent, or takes it again. */
  setReading(reads: boolean): void {
    this.#reads = reads;
    if (!reads) return;
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: string, callback: () => void): void {
    this.#take([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer | string }[], callback: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  #take(chunks: (Buffer | string)[], callback: () => void): void {
    const text = chunks.map((chunk) => (typeof chunk === 'string' ? chunk : chunk.toString('latin1'))).join('');
    this.writes += 1;
    this.bytesWritten += text.length;
    const taken = (): void => {
      this.sent += text;
      callback();
    };
    if (this.#reads) taken();
    else this.#held = taken;
  }
}

/** Sends the pieces, each in a turn of its own, and lets everything settle. */
export async function feed(socket: MemorySocket, pieces: readonly (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed || socket.readableEnded) break;
    socket.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    await turn();
  }
  await turn();
  await turn();
}

export function connectTo({ http1 }: Pick<Front, 'http1'>): MemorySocket {
  const socket = new MemorySocket();
  http1.accept(socket.asSocket, client);
  return socket;
}

export interface ListeningFront extends Front, AsyncDisposable {
  readonly port: number;
}

/** `tls`: PEM. */
export async function listen(
  options: FrontOptions = {},
  tls?: { readonly cert: string; readonly key: string },
): Promise<ListeningFront> {
  const made = front(options);
  const secureContext = tls === undefined ? undefined : createSecureContext(tls);
  const server = createServer({ noDelay: true }, (socket) => {
    if (secureContext === undefined) {
      made.http1.accept(socket, client);
      return;
    }
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.once('secure', () => made.http1.accept(secure, { ...client, protocol: 'https' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    ...made,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      made.http1.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
