import { connect as connectHttp2, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { BackendFailure, CallerConnection } from '../backend.ts';
import type { Pulse, Pulsed } from '../pulse.ts';
import type { TransportLimits } from '../transport.ts';
import type { Http2Carrier } from './carrier.ts';

/** Bytes of a response that a backend may send ahead of its reader, of one stream and in all. */
const streamWindow = 262_144;
const sessionWindow = 1_048_576;
const longestHeaders = 65_536;
/** Fields that fit into it: node's own limit of 128 would end answers that HTTP/1.1 backends may give. */
const mostFields = longestHeaders / 32;
/**
 * Megabytes: no limit. Node never subtracts what waited in a stream that was reset, and over its limit it refuses every
 * answer of the session: uploads that end half-way would add up to that. What is held is bounded by windows and pauses.
 */
const mostMemory = 1_000_000;
const mostStreams = 1_000;
/** A session without a request for this long is closed; one that announced a client is of use to that client alone. */
const idleMs = 60_000;
const announcedIdleMs = 4_000;
/** Far below the last stream id there is. */
const mostServed = 500_000_000;

const sessionOptions = {
  settings: { enablePush: false, initialWindowSize: streamWindow, maxHeaderListSize: longestHeaders },
  maxHeaderListPairs: mostFields,
  maxSessionMemory: mostMemory,
  // A client that sends a header twice is passed on as it is; node's check would end the request instead.
  strictSingleValueFields: false,
};

export interface SessionKeeper {
  readonly pulse: Pulse;
  limits(): TransportLimits;
  /** The backend has said how many streams it takes, and it may be used. */
  onUsable(session: Http2Session): void;
  /** A stream has ended, so another one may begin. */
  onRoom(session: Http2Session): void;
  /** Takes no new streams. `failure` where it was never usable. */
  onRetired(session: Http2Session, failure: BackendFailure | undefined, detail: string): void;
  onGone(session: Http2Session): void;
}

/** One HTTP/2 connection to a backend (RFC 9113). */
export class Http2Session implements Pulsed {
  /** Whom its PROXY header named. */
  readonly caller: CallerConnection | undefined;
  readonly #keeper: SessionKeeper;
  readonly #session: ClientHttp2Session;
  readonly #carriers = new Set<Http2Carrier>();
  readonly #limit: NodeJS.Timeout;
  /** Runs while a PING is not answered. */
  #silent: NodeJS.Timeout | undefined;
  #usable = false;
  #retired = false;
  #served = 0;
  #most = 0;
  #lastAt: number;
  /** Streams above this one have not been touched (GOAWAY). */
  #lastStream = Infinity;
  #problem = 'closed';
  readonly #idleMs: number;

  constructor(socket: Socket, secure: boolean, keeper: SessionKeeper, caller: CallerConnection | undefined) {
    this.#keeper = keeper;
    this.caller = caller;
    this.#idleMs = caller === undefined ? idleMs : announcedIdleMs;
    this.#lastAt = keeper.pulse.now;
    const session = connectHttp2(secure ? 'https://backend' : 'http://backend', {
      ...sessionOptions,
      createConnection: () => socket,
    });
    this.#session = session;
    const { connectMs } = keeper.limits();
    // What does not speak HTTP/2 often says nothing at all.
    this.#limit = setTimeout(() => {
      this.#problem = `no HTTP/2 settings in ${connectMs} ms`;
      session.destroy();
    }, connectMs);
    session.on('connect', () => session.setLocalWindowSize(sessionWindow));
    session.on('remoteSettings', ({ maxConcurrentStreams = mostStreams }) => {
      this.#most = Math.min(maxConcurrentStreams, mostStreams);
      if (this.#usable) keeper.onRoom(this);
      else {
        this.#usable = true;
        clearTimeout(this.#limit);
        keeper.onUsable(this);
      }
    });
    session.on('goaway', (code, lastStream) => {
      this.#lastStream = lastStream;
      this.#problem = `GOAWAY ${code}`;
      this.#retire();
    });
    session.on('error', (error: NodeJS.ErrnoException) => (this.#problem = error.code ?? error.message));
    session.once('close', () => {
      this.#trust();
      this.#retire();
      keeper.pulse.delete(this);
      keeper.onGone(this);
    });
    keeper.pulse.add(this);
  }

  get reused(): boolean {
    return this.#served > 1;
  }

  /** Streams under way. */
  get active(): number {
    return this.#carriers.size;
  }

  get room(): boolean {
    return this.#usable && !this.#retired && this.#carriers.size < this.#most && !this.#session.closed;
  }

  /** Streams that it takes at once. */
  get most(): number {
    return this.#most;
  }

  /** Its settings have come. */
  get usable(): boolean {
    return this.#usable;
  }

  /** RFC 8441. */
  get takesWebSockets(): boolean {
    return this.#session.remoteSettings.enableConnectProtocol === true;
  }

  get pulse(): Pulse {
    return this.#keeper.pulse;
  }

  get limits(): TransportLimits {
    return this.#keeper.limits();
  }

  get scheme(): 'https' | 'http' {
    return this.#session.encrypted === true ? 'https' : 'http';
  }

  /** What became of the connection, for the streams that it took along. */
  get problem(): string {
    return this.#problem;
  }

  /** A place for one stream, which `leave` gives back. */
  enter(carrier: Http2Carrier): void {
    this.#carriers.add(carrier);
    this.#served += 1;
    if (this.#served >= mostServed) this.close();
  }

  leave(carrier: Http2Carrier): void {
    if (!this.#carriers.delete(carrier)) return;
    this.#lastAt = this.#keeper.pulse.now;
    this.#keeper.onRoom(this);
  }

  request(headers: readonly string[], options: { endStream: boolean; waitForTrailers: boolean }): ClientHttp2Stream {
    return this.#session.request(headers, options);
  }

  /** Whether the backend has surely not begun with a stream that was lost. */
  untouched(stream: ClientHttp2Stream): boolean {
    return (
      stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || stream.id === undefined || stream.id > this.#lastStream
    );
  }

  /** A stream waited in vain: a connection that does not answer a PING either is of no use to the next one. */
  doubt(): void {
    if (this.#silent !== undefined || this.#retired || this.#session.destroyed) return;
    const { connectMs } = this.#keeper.limits();
    this.#silent = setTimeout(() => {
      this.#problem = 'no answer to PING';
      this.#session.destroy();
    }, connectMs);
    this.#session.ping(() => this.#trust());
  }

  /** Streams under way go on. */
  close(): void {
    this.#retire();
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  beat(now: number): void {
    for (const carrier of this.#carriers) carrier.beat(now);
    if (this.#carriers.size === 0 && this.#usable && now - this.#lastAt > this.#idleMs) this.close();
  }

  #trust(): void {
    clearTimeout(this.#silent);
    this.#silent = undefined;
  }

  #retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    clearTimeout(this.#limit);
    this.#keeper.onRetired(this, this.#usable ? undefined : 'backend-bad-answer', `no HTTP/2: ${this.#problem}`);
  }
}
