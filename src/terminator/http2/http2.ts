/** HTTP/2 for clients (RFC 9113): our own strict framing, with every limit a part of it, and nothing between it and the socket. */
import type { Duplex } from 'node:stream';
import type { Connection, Inbound, Outbound } from '../proxy/exchange.ts';
import type { Http2Limit } from './limit.ts';
import { Http2Session, type SessionOwner } from './session.ts';
import type { Http2Settings } from './shared.ts';

export interface Http2Options {
  readonly settings: Http2Settings;
  /** Requests of one connection come and are answered side by side. */
  readonly handle: (inbound: Inbound, outbound: Outbound) => void;
  /** Answered here, because it could not be read as a request, or was too large before it could be handled. */
  readonly onRefused: (connection: Connection, status: number) => void;
  /** A client went over a limit. */
  readonly onLimit: (limit: Http2Limit, connection: Connection) => void;
  /** Calls `tick` every `ms` until the function returned is called; real timers by default. */
  readonly every?: (ms: number, tick: () => void) => () => void;
}

export interface Http2 {
  /**
   * Serves a socket whose client has agreed on `h2`, and on which nobody else listens for data. The socket is ours,
   * errors included, until it closes.
   */
  accept(socket: Duplex, connection: Connection): void;
  /** Limits and timeouts, for open connections as well: they are told. */
  configure(settings: Http2Settings): void;
  /** GOAWAY to all: what is open, and what comes before the client knows, is served; then the connection is closed. */
  goAway(): void;
  /** Ends every connection, now. */
  destroy(): void;
}

/** How exact deadlines are: one timer for all connections looks at each this often. */
const tickMs = 250;

export function createHttp2(options: Http2Options): Http2 {
  return new Http2Server(options);
}

class Http2Server implements Http2, SessionOwner {
  settings: Http2Settings;
  /** Moves with the timer: an event loop that was held up has not made any client late. */
  now = 0;
  readonly handle: Http2Options['handle'];
  readonly onRefused: Http2Options['onRefused'];
  readonly onLimit: Http2Options['onLimit'];
  readonly #every: NonNullable<Http2Options['every']>;
  readonly #sessions = new Set<Http2Session>();
  /** Have something to send at the end of this turn. */
  #awake: Http2Session[] = [];
  #stop: (() => void) | undefined;

  constructor(options: Http2Options) {
    this.settings = options.settings;
    this.handle = options.handle;
    this.onRefused = options.onRefused;
    this.onLimit = options.onLimit;
    this.#every = options.every ?? everyReally;
  }

  accept(socket: Duplex, connection: Connection): void {
    if (socket.destroyed || socket.readableEnded) {
      socket.destroy();
      return;
    }
    const session = new Http2Session(this, socket, connection);
    this.#sessions.add(session);
    this.#stop ??= this.#every(tickMs, this.#tick);
    session.start();
  }

  configure(settings: Http2Settings): void {
    const before = this.settings.limits;
    this.settings = settings;
    const { streamsPerConnection, headerBytes } = settings.limits;
    if (before.streamsPerConnection === streamsPerConnection && before.headerBytes === headerBytes) return;
    for (const session of this.#sessions) session.sendSettings();
  }

  goAway(): void {
    for (const session of this.#sessions) session.goAway();
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  wake(session: Http2Session): void {
    if (this.#awake.push(session) === 1) setImmediate(this.#flush);
  }

  forget(session: Http2Session): void {
    this.#sessions.delete(session);
    if (this.#sessions.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  readonly #flush = (): void => {
    const awake = this.#awake;
    this.#awake = [];
    for (const session of awake) session.flush();
  };

  readonly #tick = (): void => {
    this.now += tickMs;
    for (const session of this.#sessions) session.check(tickMs);
  };
}

function everyReally(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref();
  return () => clearInterval(timer);
}
