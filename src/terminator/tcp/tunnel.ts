import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { resetNow } from './reset.ts';

/** Why a tunnel is over: `closed` when both sides have ended, each in its own time; `stopped` when we did not wait for that. */
export type TunnelEnd = 'closed' | 'idle' | 'client-reset' | 'backend-reset' | 'stopped';

/**
 * Two sockets joined: each side's bytes go to the other as fast as that takes them, each side's end ends the other's
 * input alone, and what breaks one is passed on as a reset, so that nobody takes half of something for the whole.
 * No `pipe`: its bookkeeping for each chunk costs a tenth of all there is to do for a small one.
 */
export class Tunnel {
  /** A byte has moved since it was last set to false. */
  moved = false;
  receivedBytes = 0;
  sentBytes = 0;
  readonly #client: Socket;
  readonly #backend: Socket;
  readonly #onEnd: (reason: TunnelEnd) => void;
  #over = false;

  /** Both allow half-open connections, and nobody else listens to them. `firstBytes` have been read from the client. */
  constructor(client: Socket, backend: Socket, firstBytes: Buffer | undefined, onEnd: (reason: TunnelEnd) => void) {
    this.#client = client;
    this.#backend = backend;
    this.#onEnd = onEnd;
    client.on('data', (chunk: Buffer) => {
      this.moved = true;
      this.receivedBytes += chunk.length;
      if (!backend.write(chunk)) client.pause();
    });
    backend.on('data', (chunk: Buffer) => {
      this.moved = true;
      this.sentBytes += chunk.length;
      if (!client.write(chunk)) backend.pause();
    });
    client.on('drain', () => this.#drained(backend));
    backend.on('drain', () => this.#drained(client));
    client.once('end', () => backend.end());
    backend.once('end', () => client.end());
    client.on('error', () => this.destroy('client-reset'));
    backend.on('error', () => this.destroy('backend-reset'));
    client.once('close', () => this.#closed(client, 'client-reset'));
    backend.once('close', () => this.#closed(backend, 'backend-reset'));
    if (firstBytes !== undefined && firstBytes.length > 0) {
      this.receivedBytes = firstBytes.length;
      if (!backend.write(firstBytes)) return; // `drain` goes on with the client
    }
    client.resume();
  }

  /** Ends it at once, on both sides. */
  destroy(reason: TunnelEnd): void {
    if (this.#over) return;
    this.#over = true;
    reset(this.#client);
    reset(this.#backend);
    this.#onEnd(reason);
  }

  /** The slower side takes bytes again: that is a sign of life, too. */
  #drained(source: Socket): void {
    this.moved = true;
    source.resume();
  }

  /** One has closed: cleanly when both directions had ended. */
  #closed(socket: Socket, reason: TunnelEnd): void {
    if (this.#over) return;
    if (!socket.readableEnded || !socket.writableFinished) {
      this.destroy(reason);
      return;
    }
    // What the other one still has to send goes out; it has heard of the end, and closes by itself.
    if (this.#client.destroyed && this.#backend.destroyed) {
      this.#over = true;
      this.#onEnd('closed');
    }
  }
}

/** Closes with a reset where there is one: TCP alone. A TLS connection without its close_notify is seen to be cut. */
function reset(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket instanceof TLSSocket || socket.remoteFamily === undefined) socket.destroy();
  else resetNow(socket);
}
