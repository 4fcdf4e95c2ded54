import { createServer, type Server, type Socket } from 'node:net';

/** What `server.listen` takes: a bound socket from the supervisor, or an address. */
export type ListenTarget = Parameters<Server['listen']>[0];

export interface ListenersDeps {
  onConnection(socket: Socket, protocol: 'https' | 'http'): void;
  /** Gives a listener its socket again, by `listen`. */
  reclaim(id: number): void;
  /** A connection could not be accepted; the listener goes on. */
  onError(error: NodeJS.ErrnoException): void;
}

interface Listener {
  readonly protocol: 'https' | 'http';
  /** Absent while nothing is accepted. */
  server: Server | undefined;
}

const keepAliveAfterMs = 60_000;

/**
 * The sockets that a worker accepts from. Each is a duplicate of one that the supervisor holds: closing it here closes
 * nothing there, and connections that wait in it stay until somebody accepts them.
 */
export class Listeners {
  readonly #deps: ListenersDeps;
  readonly #open = new Map<number, Listener>();
  #full = false;
  #closed = false;

  constructor(deps: ListenersDeps) {
    this.#deps = deps;
  }

  /** Resolves when connections are accepted, or will be as soon as there is room; rejects with the socket's own error. */
  async listen(id: number, protocol: 'https' | 'http', target: ListenTarget): Promise<void> {
    this.unlisten(id);
    const listener: Listener = { protocol, server: undefined };
    if (!this.#closed) this.#open.set(id, listener);
    if (this.#closed || this.#full) closeUnused(target);
    else await this.#accept(id, listener, target);
  }

  /** Accepts nothing more there, also where `listen` is still under way. */
  unlisten(id: number): void {
    this.#open.get(id)?.server?.close();
    this.#open.delete(id);
  }

  /** True: accepts nothing, and the kernel keeps clients waiting. There is no other way: a listener of node cannot pause. */
  setFull(full: boolean): void {
    if (full === this.#full) return;
    this.#full = full;
    for (const [id, listener] of this.#open) {
      if (full) {
        listener.server?.close();
        listener.server = undefined;
      } else this.#deps.reclaim(id);
    }
  }

  /** For good. */
  close(): void {
    this.#closed = true;
    for (const id of this.#open.keys()) this.unlisten(id);
  }

  async #accept(id: number, listener: Listener, target: ListenTarget): Promise<void> {
    const deps = this.#deps;
    const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs };
    const server = createServer(options, (socket) => deps.onConnection(socket, listener.protocol));
    listener.server = server;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.once('close', resolve); // not wanted any more
    server.listen(target, resolve);
    try {
      await promise;
    } catch (error) {
      if (this.#open.get(id) === listener) this.#open.delete(id);
      throw error;
    }
    server.off('error', reject);
    server.off('close', resolve);
    // Running out of descriptors is the usual reason.
    server.on('error', (error) => deps.onError(error));
  }
}

/** A socket handed over that nobody will accept from. */
function closeUnused(target: ListenTarget): void {
  const { close } = target as { close?: unknown };
  if (typeof close === 'function') (target as { close(): void }).close();
}
