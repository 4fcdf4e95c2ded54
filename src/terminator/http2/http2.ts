/** HTTP/2 clients (RFC 9113), on node's core stream API. */
import {
  constants,
  performServerHandshake,
  type Http2Stream,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { CertplaneError } from '../../core/errors.ts';
import { parseAuthority } from '../proxy/authority.ts';
import {
  answer,
  type Connection,
  type Inbound,
  type Outbound,
  type Outcome,
  type RequestBody,
} from '../proxy/exchange.ts';
import { headerValues } from '../proxy/headers.ts';

export interface Http2Options {
  idleMs(): number;
  handle(inbound: Inbound, outbound: Outbound): void;
}

/** How long a request may be behind the GOAWAY of its client. */
const lastRequestsMs = 100;

/** All HTTP/2 sessions of a worker. */
export class Http2Front {
  readonly #options: Http2Options;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(options: Http2Options) {
    this.#options = options;
  }

  accept(socket: TLSSocket, connection: Connection): void {
    const session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: 128 },
      // A backend that sends a header twice is passed on as it is; node's check would end the exchange instead.
      strictSingleValueFields: false,
    });
    let open = 0;
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.on('error', () => session.destroy()); // a broken client; its streams are told by their own close
    session.setTimeout(this.#options.idleMs(), () => {
      if (open === 0) session.close();
    });
    let leaving = false;
    const closeWhenDone = (): void => {
      if (open === 0 && leaving && !session.closed) session.close();
    };
    session.on('goaway', (code) => {
      if (code !== constants.NGHTTP2_NO_ERROR) return;
      leaving = true;
      serveOn(session);
      setTimeout(closeWhenDone, lastRequestsMs);
    });
    session.on('stream', (stream: Http2Stream, _headers, _flags, rawHeaders) => {
      open += 1;
      stream.once('close', () => {
        open -= 1;
        closeWhenDone();
      });
      this.#serve(stream as ServerHttp2Stream, rawHeaders, connection);
    });
  }

  /** GOAWAY to all: streams under way are finished, new ones go to another connection. */
  goAway(): void {
    for (const session of this.#sessions) if (!session.closed) session.close();
  }

  #serve(stream: ServerHttp2Stream, rawHeaders: readonly string[], connection: Connection): void {
    const outbound = new Http2Outbound(stream, this.#options.idleMs());
    const inbound = readRequest(stream, rawHeaders, connection);
    if (typeof inbound === 'string') {
      answer(outbound, 400, `400 Bad Request: ${inbound}\n`);
      return;
    }
    outbound.trailersWanted = headerValues(inbound.headers, 'te').length > 0;
    this.#options.handle(inbound, outbound);
  }
}

/**
 * A client's GOAWAY says that it will take no streams of ours (RFC 9113 §6.8); requests it sends behind it are as good
 * as those before, and clients that close right after asking do send them (nghttp2 puts the GOAWAY first). Node calls
 * `close` after this event and would refuse them, so that one call is left out, and made when all are answered.
 */
function serveOn(session: ServerHttp2Session): void {
  const close = session.close.bind(session);
  session.close = () => {
    session.close = close;
  };
}

// Goes into a request line and header lines of HTTP/1.1, so nothing may end one early (RFC 9113 §10.3).
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const unsafeValue = /[\x00-\x08\x0a-\x1f\x7f\u0100-\uffff]/;
const safeTarget = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/;
const safeMethod = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,40}$/;
const safeName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

function readRequest(stream: ServerHttp2Stream, raw: readonly string[], connection: Connection): Inbound | string {
  const headers: string[] = [];
  let method = '';
  let target = '';
  let authority = '';
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    const value = raw[i + 1] as string;
    if (unsafeValue.test(value)) return 'malformed header value';
    if (name === ':method') method = value;
    else if (name === ':path') target = value;
    else if (name === ':authority') authority = value;
    else if (!name.startsWith(':')) {
      if (!safeName.test(name)) return 'malformed header name';
      headers.push(name, value);
    }
  }
  if (method === 'CONNECT') return 'CONNECT is not supported';
  if (!safeMethod.test(method) || !safeTarget.test(target)) return 'malformed target';
  const hosts = headerValues(headers, 'host');
  if (authority === '') authority = hosts[0] ?? '';
  else if (hosts.some((host) => host.toLowerCase() !== authority.toLowerCase())) return 'Host and :authority differ';
  const host = parseAuthority(authority);
  if (host === undefined) return 'malformed host';
  const length = headerValues(headers, 'content-length')[0];
  const ended = stream.endAfterHeaders || length === '0';
  if (ended) stream.resume(); // an empty last frame may still come
  const trailers: string[] = [];
  stream.on('trailers', (_trailers, _flags, rawTrailers?: readonly string[]) => {
    const list = rawTrailers ?? [];
    for (let i = 0; i < list.length; i += 2) {
      const [name, value] = [list[i] as string, list[i + 1] as string];
      if (safeName.test(name) && !unsafeValue.test(value)) trailers.push(name, value);
    }
  });
  return {
    method,
    target,
    authority,
    host,
    headers,
    version: '2',
    connection,
    body: ended ? undefined : streamBody(stream, length === undefined ? 'chunked' : 'length', () => trailers),
    upgrade: undefined,
  };
}

function streamBody(
  stream: ServerHttp2Stream,
  framing: 'length' | 'chunked',
  trailers: () => readonly string[],
): RequestBody {
  return {
    framing,
    read: (sink) => {
      stream.on('data', (chunk: Buffer) => sink.onData(chunk));
      stream.once('end', () => sink.onEnd(trailers()));
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
    discard: () => void stream.resume(),
  };
}

class Http2Outbound implements Outbound {
  status = 0;
  trailersWanted = false;
  readonly #stream: ServerHttp2Stream;
  #bytes = 0;
  #trailers: readonly string[] = [];

  constructor(stream: ServerHttp2Stream, idleMs: number) {
    this.#stream = stream;
    stream.on('error', () => undefined); // its close tells the same
    stream.setTimeout(idleMs, () => {
      const waitsForBackend =
        stream.writableLength === 0 && (stream.readableEnded || stream.endAfterHeaders || stream.isPaused());
      if (!waitsForBackend) stream.close(constants.NGHTTP2_CANCEL);
    });
  }

  onClose(listener: (outcome: Outcome) => void): void {
    this.#stream.once('close', () => {
      const complete = this.#stream.writableFinished && this.#stream.rstCode === constants.NGHTTP2_NO_ERROR;
      listener({ status: this.status, bytes: this.#bytes, complete });
    });
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener);
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#stream.headersSent || this.#stream.destroyed || this.#stream.closed) return;
    if (status === 100) this.#stream.additionalHeaders({ ':status': 100 });
    else if (status === 103) this.#stream.additionalHeaders({ ':status': 103, link: headerValues(headers, 'link') });
  }

  head(status: number, _reason: string, headers: readonly string[]): void {
    this.status = status;
    if (this.#stream.destroyed || this.#stream.closed) return;
    // Asking for trailers costs a frame, so only where somebody said there may be some.
    const waitForTrailers = this.trailersWanted || headerValues(headers, 'trailer').length > 0;
    this.#stream.respond([':status', String(status), ...headers] as never, { waitForTrailers });
    if (waitForTrailers) this.#stream.once('wantTrailers', () => this.#sendTrailers());
  }

  write(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return this.#stream.destroyed || this.#stream.writableEnded || this.#stream.write(chunk);
  }

  end(trailers: readonly string[]): void {
    this.#trailers = trailers;
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  flush(): void {
    // node's session sends once per turn
  }

  tunnel(): Duplex {
    throw new CertplaneError('internal.unexpected', 'A request without an upgrade cannot become a tunnel.');
  }

  cut(): void {
    // `close` would end the stream properly before it resets it, and a body without a length would look complete.
    this.#stream.destroy(new Error('The backend broke off.'));
  }

  #sendTrailers(): void {
    const trailers: Record<string, string[]> = {};
    for (let i = 0; i < this.#trailers.length; i += 2) {
      (trailers[(this.#trailers[i] as string).toLowerCase()] ??= []).push(this.#trailers[i + 1] as string);
    }
    // None at all are an empty DATA frame that ends the stream; `close` would leave it open for the client.
    this.#stream.sendTrailers(trailers);
  }
}
