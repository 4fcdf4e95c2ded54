/** HTTP/1.1 clients: node's strict parser in front of the version-neutral exchange. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseAuthority } from '../proxy/authority.ts';
import { CertplaneError } from '../../core/errors.ts';
import {
  answer,
  type BodySink,
  type Connection,
  type Inbound,
  type Outbound,
  type Outcome,
  type RequestBody,
} from '../proxy/exchange.ts';
import { headerValues } from '../proxy/headers.ts';

export interface Http1Options {
  readonly headerMs: number;
  readonly idleMs: number;
  connection(socket: Duplex): Connection;
  handle(inbound: Inbound, outbound: Outbound): void;
  readonly draining: () => boolean;
  /** Answered here, because it could not be read as a request. */
  onRefused(connection: Connection, status: number): void;
}

export interface Http1Server extends Server {
  /**
   * Closes connections that were between two requests at the last call and have had none since. Not at once: when an
   * answer has just ended, the next request may be on its way.
   */
  closeQuiet(): void;
}

/** Gets its connections by `emit('connection')`; never listens itself. */
export function createHttp1(options: Http1Options): Http1Server {
  const server = createServer({
    requestTimeout: 0, // a body may take as long as bytes keep coming
    headersTimeout: options.headerMs,
    keepAliveTimeout: options.idleMs,
    connectionsCheckingInterval: Math.max(50, Math.min(1000, options.headerMs / 4)),
    maxHeaderSize: 32_768,
    insecureHTTPParser: false,
    requireHostHeader: true,
    shouldUpgradeCallback: isWebSocket,
  });
  server.timeout = options.idleMs;
  const answerOne = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = options.connection(request.socket);
    const outbound = new Http1Outbound(request, response, options.draining);
    const inbound = readRequest(request, connection);
    if (typeof inbound === 'string') {
      response.shouldKeepAlive = false;
      answer(outbound, 400, `400 Bad Request: ${inbound}\n`);
    } else options.handle(inbound, outbound);
  };
  const serve = oneAfterTheOther(answerOne);
  server.on('request', serve);
  server.on('checkContinue', serve); // the backend decides; its 100 is passed on
  server.on('checkExpectation', serve);
  const open = new Set<Duplex>();
  server.on('connection', (socket: Duplex) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    open.delete(socket);
    const inbound = readRequest(request, options.connection(socket));
    if (typeof inbound === 'string') refuse(socket, 400, inbound);
    else if (inbound.body !== undefined) refuse(socket, 400, 'an upgrade with a body');
    else {
      if (socket instanceof NetSocket) socket.setTimeout(0); // may be silent for as long as both ends like
      options.handle({ ...inbound, upgrade: 'websocket' }, new UpgradeOutbound(socket, head));
    }
  });
  server.on('timeout', (socket) => {
    if (exchangeOn.get(socket)?.waitsForBackend === true) socket.setTimeout(options.idleMs);
    else socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const [status, reason] = parserErrors[error.code ?? ''] ?? [400, 'malformed request'];
    if (error.code === 'ECONNRESET' || !socket.writable || exchangeOn.get(socket)?.answering === true) socket.destroy();
    else {
      options.onRefused(options.connection(socket), status);
      refuse(socket, status, reason);
    }
  });
  // Header deadlines are watched from this event on, which would otherwise come from `listen`.
  server.emit('listening');
  const quiet = new WeakMap<Duplex, object>();
  const closeQuiet = (): void => {
    for (const socket of open) {
      const exchange = exchangeOn.get(socket);
      if (exchange?.over === false) continue;
      const last = exchange ?? socket; // opened ahead and never used: quiet, too
      if (quiet.get(socket) === last) socket.destroy();
      else quiet.set(socket, last);
    }
  };
  return Object.assign(server, { closeQuiet });
}

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

/** Requests that a client may send ahead of its answers (RFC 9112 §9.3.2); nobody has a use for more. */
const mostPipelined = 100;

/**
 * Node hands over pipelined requests all at once. Here each waits for the answer before it, or one connection could
 * open thousands to a backend, and those whose turn never comes would not be told that the client has gone.
 */
function oneAfterTheOther(serve: Serve): Serve {
  const waiting = new WeakMap<Duplex, [IncomingMessage, ServerResponse][]>();
  const begin = (socket: Duplex, queue: [IncomingMessage, ServerResponse][]): void => {
    const [request, response] = queue[0] as [IncomingMessage, ServerResponse];
    response.once('close', () => {
      queue.shift();
      if (queue.length > 0 && !socket.destroyed && response.shouldKeepAlive) begin(socket, queue);
    });
    serve(request, response);
  };
  return (request, response) => {
    const { socket } = request;
    let queue = waiting.get(socket);
    if (queue === undefined) waiting.set(socket, (queue = []));
    if (queue.push([request, response]) > mostPipelined) socket.destroy();
    else if (queue.length === 1) begin(socket, queue);
  };
}

const parserErrors: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'chunk extensions too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request head took too long'],
};

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
};

/** A raw answer where there is no response object; the connection ends with it. */
export function refuse(socket: Duplex, status: number, reason: string): void {
  const words = reasons[status] ?? '';
  const body = `${status} ${words}: ${reason}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  socket.once('finish', () => socket.destroy());
}

function isWebSocket(request: IncomingMessage): boolean {
  return (
    request.method === 'GET' && request.httpVersion === '1.1' && request.headers.upgrade?.toLowerCase() === 'websocket'
  );
}

/** The request, or why it is not one we pass on. What the parser lets through and a backend could read differently ends here. */
function readRequest(request: IncomingMessage, connection: Connection): Inbound | string {
  const headers = request.rawHeaders;
  const hosts = headerValues(headers, 'host');
  if (hosts.length > 1) return 'more than one Host header';
  const lengths = headerValues(headers, 'content-length');
  const encodings = headerValues(headers, 'transfer-encoding');
  if (lengths.length > 1) return 'more than one Content-Length header';
  if (encodings.length > 0) {
    if (lengths.length > 0) return 'both Content-Length and Transfer-Encoding';
    if (request.httpVersion !== '1.1') return 'Transfer-Encoding in HTTP/1.0';
    if (encodings.length > 1 || encodings[0]?.toLowerCase() !== 'chunked') return 'Transfer-Encoding is not "chunked"';
  }
  let target = request.url ?? '';
  let authority = hosts[0] ?? '';
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
  if (absolute !== null) {
    authority = absolute[1] as string; // RFC 9112 §3.2.2: it replaces the Host header
    target = absolute[2]?.startsWith('/') === true ? absolute[2] : `/${absolute[2] ?? ''}`;
  }
  if (!target.startsWith('/') && !(target === '*' && request.method === 'OPTIONS')) return 'malformed target';
  const host = authority === '' ? '' : parseAuthority(authority); // HTTP/1.0 needs none
  if (host === undefined) return 'malformed host';
  const framing = encodings.length > 0 ? 'chunked' : lengths.length > 0 && lengths[0] !== '0' ? 'length' : undefined;
  return {
    method: request.method ?? 'GET',
    target,
    authority,
    host,
    headers,
    version: request.httpVersion === '1.0' ? '1.0' : '1.1',
    connection,
    body: framing === undefined ? undefined : readableBody(request, framing),
    upgrade: undefined,
  };
}

function readableBody(request: IncomingMessage, framing: 'length' | 'chunked'): RequestBody {
  return {
    framing,
    read: (sink: BodySink) => {
      request.on('data', (chunk: Buffer) => sink.onData(chunk));
      request.once('end', () => sink.onEnd(request.rawTrailers));
    },
    pause: () => void request.pause(),
    resume: () => void request.resume(),
    discard: () => void request.resume(),
  };
}

/** The exchange on each connection now, for its timeouts. */
const exchangeOn = new WeakMap<object, Http1Outbound>();

class Http1Outbound implements Outbound {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #draining: () => boolean;
  #bytes = 0;

  constructor(request: IncomingMessage, response: ServerResponse, draining: () => boolean) {
    this.#request = request;
    this.#response = response;
    this.#draining = draining;
    exchangeOn.set(request.socket, this);
    request.on('error', () => undefined); // the response's close tells the same
    response.on('error', () => undefined);
  }

  get over(): boolean {
    return this.#response.writableFinished;
  }

  get answering(): boolean {
    return this.#response.headersSent && !this.#response.writableFinished;
  }

  /** True while a silent client only waits, or is kept from sending. */
  get waitsForBackend(): boolean {
    if (this.#response.writableEnded || this.#response.writableLength > 0) return false;
    return this.#request.complete || this.#request.isPaused();
  }

  onClose(listener: (outcome: Outcome) => void): void {
    this.#response.once('close', () => {
      const { headersSent, statusCode, writableFinished } = this.#response;
      listener({ status: headersSent ? statusCode : 0, bytes: this.#bytes, complete: writableFinished });
    });
  }

  onDrain(listener: () => void): void {
    this.#response.on('drain', listener);
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#response.headersSent || this.#request.httpVersion === '1.0') return;
    if (status === 100) this.#response.writeContinue();
    else if (status === 103) {
      const links = headerValues(headers, 'link');
      // Not writeEarlyHints: that throws for a Link it does not understand.
      if (links.length > 0) this.#response.writeInformation(103, { link: links });
    }
  }

  head(status: number, reason: string, headers: readonly string[], closing: boolean): void {
    if (closing || this.#draining()) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(status, reason === '' ? undefined : reason, headers as string[]);
  }

  write(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return this.#response.write(chunk);
  }

  end(trailers: readonly string[]): void {
    if (trailers.length > 0) {
      const pairs: [string, string][] = [];
      for (let i = 0; i < trailers.length; i += 2) pairs.push([trailers[i] as string, trailers[i + 1] as string]);
      this.#response.addTrailers(pairs);
    }
    this.#response.end();
  }

  flush(): void {
    // node's response sends what it gets
  }

  tunnel(): Duplex {
    throw new CertplaneError('internal.unexpected', 'A request without an upgrade cannot become a tunnel.');
  }

  cut(): void {
    this.#response.destroy();
  }
}

/** The answer to an upgrade: a tunnel, or a last response on the raw socket. */
class UpgradeOutbound implements Outbound {
  readonly #socket: Duplex;
  readonly #head: Buffer;
  #status = 0;
  #bytes = 0;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    socket.on('error', () => socket.destroy());
  }

  onClose(listener: (outcome: Outcome) => void): void {
    this.#socket.once('close', () =>
      listener({ status: this.#status, bytes: this.#bytes, complete: this.#socket.writableFinished }),
    );
  }

  onDrain(listener: () => void): void {
    this.#socket.on('drain', listener);
  }

  inform(): void {
    // the client waits for 101
  }

  head(status: number, reason: string, headers: readonly string[]): void {
    this.#status = status;
    // The body is passed on decoded and ends with the connection.
    const kept = headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'content-length');
    this.#socket.write(responseHead(status, reason, [...kept, 'Connection', 'close']));
  }

  write(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return this.#socket.write(chunk);
  }

  end(): void {
    this.#socket.end();
  }

  flush(): void {
    // written at once
  }

  tunnel(headers: readonly string[]): Duplex {
    this.#status = 101;
    const all = [...headers, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
    this.#socket.write(responseHead(101, 'Switching Protocols', all));
    if (this.#head.length > 0) this.#socket.unshift(this.#head);
    return this.#socket;
  }

  cut(): void {
    this.#socket.destroy();
  }
}

function responseHead(status: number, reason: string, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}
