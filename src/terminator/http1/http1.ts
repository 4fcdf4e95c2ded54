/** HTTP/1.1 for clients (RFC 9112): our own strict framing, and nothing between it and the socket. */
import type { Socket } from 'node:net';
import type { Connection, Inbound, Outbound } from '../proxy/exchange.ts';
import { Http1Connection, type Http1Settings, type Http1Shared } from './connection.ts';
import { HeadParser } from './head-parser.ts';
import type { Http1Limit } from './refusal.ts';

export interface Http1Options {
  readonly settings: Http1Settings;
  /** Requests of one connection come one after the other: the next when the answer to the one before is out. */
  handle(inbound: Inbound, outbound: Outbound): void;
  /** Answered here, because it could not be read as a request, or was too large or too slow before it could be handled. */
  onRefused(connection: Connection, status: number): void;
  /** A limit took effect, whatever came of it. */
  onLimit?(limit: Http1Limit): void;
  /** Calls `tick` every `ms` until the function returned is called; real timers by default. */
  every?(ms: number, tick: () => void): () => void;
}

export interface Http1 {
  /**
   * Serves a socket on which nobody else listens for data. `firstBytes`: what has been read from it. The socket is
   * ours, errors included, until it closes or a tunnel takes it.
   */
  accept(socket: Socket, connection: Connection, firstBytes?: Buffer): void;
  /** Limits and timeouts, for open connections as well. */
  configure(settings: Http1Settings): void;
  /** From here on every answer ends its connection. */
  drain(): void;
  /**
   * Closes connections that were between two requests at the last call and have had none since. Not at once: when an
   * answer has just ended, the next request may be on its way.
   */
  closeQuiet(): void;
  /** Ends every connection, now. */
  destroy(): void;
}

/** How exact deadlines are: one timer for all connections looks at each this often. */
const tickMs = 250;

export function createHttp1(options: Http1Options): Http1 {
  return new Http1Server(options);
}

class Http1Server implements Http1, Http1Shared {
  readonly parser = new HeadParser();
  settings: Http1Settings;
  draining = false;
  /** Moves with the timer: an event loop that was held up has not made any client late. */
  now = 0;
  readonly #options: Http1Options;
  readonly #connections = new Set<Http1Connection>();
  #stop: (() => void) | undefined;

  constructor(options: Http1Options) {
    this.settings = options.settings;
    this.#options = options;
  }

  accept(socket: Socket, connection: Connection, firstBytes?: Buffer): void {
    if (socket.destroyed || socket.readableEnded) {
      socket.destroy();
      return;
    }
    const accepted = new Http1Connection(this, socket, connection);
    this.#connections.add(accepted);
    this.#stop ??= this.#options.every?.(tickMs, this.#tick) ?? everyReally(tickMs, this.#tick);
    accepted.start(firstBytes);
  }

  configure(settings: Http1Settings): void {
    this.settings = settings;
  }

  drain(): void {
    this.draining = true;
  }

  closeQuiet(): void {
    for (const connection of this.#connections) connection.closeIfQuiet();
  }

  destroy(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }

  handle(inbound: Inbound, outbound: Outbound): void {
    this.#options.handle(inbound, outbound);
  }

  onRefused(connection: Connection, status: number): void {
    this.#options.onRefused(connection, status);
  }

  onLimit(limit: Http1Limit): void {
    this.#options.onLimit?.(limit);
  }

  forget(connection: Http1Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  readonly #tick = (): void => {
    this.now += tickMs;
    for (const connection of this.#connections) connection.check();
  };
}

function everyReally(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms).unref();
  return () => clearInterval(timer);
}
