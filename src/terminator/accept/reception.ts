/** From an accepted socket to who serves it: PROXY header, ClientHello, and the limits on the way. */
import type { Socket } from 'node:net';
import type { TerminatorSettings } from '../../core/terminator.ts';
import { Deadlines } from '../tls/deadlines.ts';
import { Arrival, type ArrivalEnd } from './arrival.ts';
import type { ClientHello } from './client-hello.ts';
import { decodeErrorAlert, Farewells, plainHttpAnswer } from './farewell.ts';
import type { HelloResult } from './hello-reader.ts';
import { Limits, uncounted, type LimitReason } from './limits.ts';
import { Networks } from './networks.ts';
import { peerOf, proxiedPeer, type Peer } from './peer.ts';
import type { ProxyHeader } from './proxy-header.ts';

/** Why a connection ended before anybody served it. */
export type ArrivalFailure = 'timeout' | 'client-gone' | 'plain-http' | 'not-tls' | 'proxy-header';

export interface ReceptionDeps {
  /** A passthrough route's backend for the host. */
  passthroughFor(host: string): string | undefined;
  /** Sockets are given away paused, with `firstBytes` read from them. Errors are theirs from then on. */
  passThrough(socket: Socket, to: { backend: string; host: string }, firstBytes: Buffer, peer: Peer): void;
  secure(socket: Socket, hello: ClientHello, firstBytes: Buffer, peer: Peer): void;
  /** `firstBytes`: absent when nothing has been read; the socket is as it was accepted then. */
  serveHttp(socket: Socket, peer: Peer, firstBytes?: Buffer): void;
  onFailure(reason: ArrivalFailure, protocol: 'https' | 'http'): void;
  onLimit(reason: LimitReason): void;
  /** Nothing more is to be accepted (true), or it is again. */
  onFull(full: boolean): void;
  /** The last open connection has gone. */
  onEmpty(): void;
}

type ReceptionSettings = Pick<
  TerminatorSettings,
  'proxyProtocol' | 'trustedProxies' | 'defaultHost' | 'timeouts' | 'limits'
>;

export class Reception implements ArrivalEnd {
  readonly #deps: ReceptionDeps;
  readonly #limits: Limits;
  readonly #farewells = new Farewells();
  readonly #waiting = new Deadlines<Arrival>((arrival) => this.#late(arrival));
  readonly #arrivals = new Set<Arrival>();
  /** All open connections, whoever serves them, and what `Limits` counts them as. */
  readonly #sockets = new Map<Socket, string>();
  #settings: ReceptionSettings;
  #proxies: Networks;

  constructor(settings: ReceptionSettings, deps: ReceptionDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#proxies = new Networks(settings.trustedProxies);
    this.#limits = new Limits(settings.limits, {
      now: () => performance.now(),
      onLimit: (reason) => deps.onLimit(reason),
      onFull: (full) => deps.onFull(full),
    });
  }

  /** Open connections. */
  get size(): number {
    return this.#sockets.size;
  }

  /** For the next connections. */
  configure(settings: ReceptionSettings): void {
    this.#settings = settings;
    this.#proxies = new Networks(settings.trustedProxies);
    this.#limits.configure(settings.limits);
  }

  accept(socket: Socket, protocol: 'https' | 'http'): void {
    // Whoever serves it listens for itself; this one is for the moments in between.
    socket.on('error', destroy);
    this.#sockets.set(socket, uncounted);
    socket.once('close', () => this.#closed(socket));
    this.#limits.opened();
    const peer = peerOf(socket, protocol, this.#proxies);
    const expectsHeader = this.#settings.proxyProtocol[protocol] && peer.trusted;
    if (!expectsHeader && !this.#admit(socket, peer)) return;
    if (protocol === 'http' && !expectsHeader) {
      this.#deps.serveHttp(socket, peer);
      return;
    }
    const arrival = new Arrival(socket, peer, expectsHeader, this);
    this.#waiting.add(arrival, this.#settings.timeouts.handshakeMs);
    this.#arrivals.add(arrival);
  }

  /** Closes connections that were waiting for their first bytes at the last call and still are. */
  closeQuiet(): void {
    for (const arrival of this.#arrivals) {
      if (arrival.seenWaiting) this.#dismiss(arrival);
      else arrival.seenWaiting = true;
    }
  }

  /** Ends every connection, whoever serves it. */
  destroy(): void {
    this.#waiting.clear();
    this.#farewells.destroy();
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  arrived(arrival: Arrival, hello: Exclude<HelloResult, 'more'>, firstBytes: Buffer): void {
    this.#forget(arrival);
    const { socket, peer, protocol } = arrival;
    if (hello === 'plain-http') {
      this.#deps.onFailure('plain-http', protocol);
      this.#farewells.say(socket, plainHttpAnswer);
    } else if (hello === 'malformed') {
      this.#deps.onFailure('not-tls', protocol);
      this.#farewells.say(socket, decodeErrorAlert);
    } else this.#dispatch(socket, hello, firstBytes, peer);
  }

  arrivedPlain(arrival: Arrival, firstBytes: Buffer): void {
    this.#forget(arrival);
    this.#deps.serveHttp(arrival.socket, arrival.peer, firstBytes);
  }

  proxied(arrival: Arrival, header: ProxyHeader | 'malformed'): Peer | undefined {
    if (header === 'malformed') {
      this.#deps.onFailure('proxy-header', arrival.protocol);
      this.#dismiss(arrival);
      return undefined;
    }
    const { ends } = header;
    const peer = ends === undefined ? arrival.peer : proxiedPeer(ends, arrival.protocol, this.#proxies);
    if (this.#admit(arrival.socket, peer)) return peer;
    this.#dismiss(arrival);
    return undefined;
  }

  left(arrival: Arrival, silent: boolean): void {
    this.#forget(arrival);
    // Who looks whether the port is open (health checks do) has not failed.
    if (!silent) this.#deps.onFailure('client-gone', arrival.protocol);
  }

  #dispatch(socket: Socket, hello: ClientHello, firstBytes: Buffer, peer: Peer): void {
    const host = hello.serverName ?? this.#settings.defaultHost;
    const backend = host === undefined ? undefined : this.#deps.passthroughFor(host);
    if (host !== undefined && backend !== undefined)
      this.#deps.passThrough(socket, { backend, host }, firstBytes, peer);
    else if (this.#limits.admitHandshake()) this.#deps.secure(socket, hello, firstBytes, peer);
    else socket.destroy();
  }

  /** Closes the connection of a client that has too many. */
  #admit(socket: Socket, peer: Peer): boolean {
    const client = this.#limits.admit(peer.address);
    if (client === undefined) socket.destroy();
    else if (client !== uncounted) this.#sockets.set(socket, client);
    return client !== undefined;
  }

  #late(arrival: Arrival): void {
    this.#deps.onFailure('timeout', arrival.protocol);
    this.#dismiss(arrival);
  }

  #dismiss(arrival: Arrival): void {
    this.#forget(arrival);
    arrival.stop();
    arrival.socket.destroy();
  }

  #forget(arrival: Arrival): void {
    this.#waiting.delete(arrival);
    this.#arrivals.delete(arrival);
  }

  #closed(socket: Socket): void {
    this.#limits.release(this.#sockets.get(socket) ?? uncounted);
    this.#sockets.delete(socket);
    this.#limits.closed();
    if (this.#sockets.size === 0) this.#deps.onEmpty();
  }
}

function destroy(this: Socket): void {
  this.destroy();
}
