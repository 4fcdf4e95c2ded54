/** TLS to TCP, and TLS passed through: bytes between a client and a backend. */
import type { Socket } from 'node:net';
import type { Connection } from '../proxy/exchange.ts';
import type { BackendFailure, Backends } from '../upstream/backend.ts';
import { Tunnel, type TunnelEnd } from './tunnel.ts';

/** Where a client wants to go. */
export interface TunnelTarget {
  readonly backend: string;
  /** The server name that led there, or the default host. */
  readonly host: string;
}

interface TunnelStart extends TunnelTarget {
  readonly kind: 'tcp' | 'passthrough';
  readonly client: Connection;
}

/** What is told of a tunnel when it is over. */
export interface TunnelSummary extends TunnelStart {
  /** `10.0.0.2:5432` */
  readonly endpoint: string;
  /** Bytes from the client, and to it. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly durationMs: number;
  readonly reason: TunnelEnd;
}

/** What is told of a client that no endpoint could be connected for; its connection is closed. */
export interface TunnelFailure extends TunnelStart {
  readonly durationMs: number;
  readonly failure: BackendFailure;
  readonly detail: string;
}

export interface TcpFrontDeps {
  readonly backends: Pick<Backends, 'connect'>;
  /** Silence in both directions after which a tunnel is ended; 0: never. */
  tunnelIdleMs(): number;
  onClosed(tunnel: TunnelSummary): void;
  onBackendFailure(failure: TunnelFailure): void;
  /** Calls `tick` every `ms` until the function returned is called; real timers by default. */
  readonly every?: (ms: number, tick: () => void) => () => void;
  /** Milliseconds that never go back. */
  readonly now?: () => number;
}

/** A tunnel that was quiet at one look is measured from there. */
interface Open {
  readonly tunnel: Tunnel;
  quietSince: number;
}

const lookEveryMs = 1_000;

export class TcpFront {
  readonly #deps: TcpFrontDeps;
  readonly #every: NonNullable<TcpFrontDeps['every']>;
  readonly #now: NonNullable<TcpFrontDeps['now']>;
  readonly #open = new Set<Open>();
  /** What ends those that wait for their backend. */
  readonly #connecting = new Set<() => void>();
  #stopLooking: (() => void) | undefined;

  constructor(deps: TcpFrontDeps) {
    this.#deps = deps;
    this.#every = deps.every ?? everyReally;
    this.#now = deps.now ?? (() => performance.now());
  }

  /** Open tunnels. */
  get size(): number {
    return this.#open.size;
  }

  /** `socket`: a client whose handshake is done. It is ours from here on; so are its errors. */
  terminate(socket: Socket, target: TunnelTarget, client: Connection): void {
    this.#connect(socket, undefined, { ...target, kind: 'tcp', client });
  }

  /** `firstBytes`: what has been read from the client, its ClientHello. */
  passThrough(socket: Socket, target: TunnelTarget, firstBytes: Buffer, client: Connection): void {
    this.#connect(socket, firstBytes, { ...target, kind: 'passthrough', client });
  }

  /** Ends every tunnel, now. */
  destroy(): void {
    for (const abandon of this.#connecting) abandon();
    for (const { tunnel } of this.#open) tunnel.destroy('stopped');
  }

  #connect(client: Socket, firstBytes: Buffer | undefined, what: TunnelStart): void {
    // The client's end closes nothing but its own direction.
    client.allowHalfOpen = true;
    const deps = this.#deps;
    const startedAt = this.#now();
    let connecting: { abort(): void } | undefined;
    const settle = (): void => {
      this.#connecting.delete(abandon);
      client.off('close', abandon);
    };
    const abandon = (): void => {
      settle();
      connecting?.abort();
      client.destroy();
    };
    client.on('error', destroy);
    client.on('close', abandon);
    this.#connecting.add(abandon);
    connecting = deps.backends.connect(what.backend, what.client, {
      onConnected: (socket, endpoint) => {
        settle();
        if (client.destroyed) socket.destroy();
        else this.#join(client, socket, firstBytes, { ...what, endpoint, startedAt });
      },
      onFailure: (failure, detail) => {
        settle();
        deps.onBackendFailure({ ...what, durationMs: this.#now() - startedAt, failure, detail });
        client.destroy();
      },
    });
  }

  #join(
    client: Socket,
    backend: Socket,
    firstBytes: Buffer | undefined,
    { startedAt, ...what }: TunnelStart & { readonly endpoint: string; readonly startedAt: number },
  ): void {
    const tunnel = new Tunnel(client, backend, firstBytes, (reason) => {
      this.#open.delete(open);
      if (this.#open.size === 0) this.#stop();
      const { receivedBytes, sentBytes } = tunnel;
      this.#deps.onClosed({ ...what, receivedBytes, sentBytes, durationMs: this.#now() - startedAt, reason });
    });
    const open: Open = { tunnel, quietSince: this.#now() };
    this.#open.add(open);
    this.#stopLooking ??= this.#every(lookEveryMs, () => this.#look());
  }

  #look(): void {
    const idleMs = this.#deps.tunnelIdleMs();
    const now = this.#now();
    for (const open of this.#open) {
      if (open.tunnel.moved) {
        open.tunnel.moved = false;
        open.quietSince = now;
      } else if (idleMs > 0 && now - open.quietSince >= idleMs) open.tunnel.destroy('idle');
    }
  }

  #stop(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }
}

function everyReally(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms);
  timer.unref();
  return () => clearInterval(timer);
}

function destroy(this: Socket): void {
  this.destroy();
}
