import type { Socket } from 'node:net';
import { Deadlines } from '../tls/deadlines.ts';

/** In plain HTTP on a port for TLS. The path is not repeated: nobody has looked at it. */
export const plainHttpAnswer = ((): Buffer => {
  const body =
    '400 Bad Request: this port speaks HTTPS, and the request came in plain HTTP. Ask for the same address with https:// instead of http://.\n';
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
})();

/** Fatal alert `decode_error` (RFC 8446 §6), for what is no ClientHello. */
export const decodeErrorAlert: Buffer = Buffer.from([21, 3, 3, 0, 2, 2, 50]);

/** How long a client may take to read the last words and close. */
const lingerMs = 2_000;

/**
 * Last words to clients that will not be served. What they still send is read and thrown away: closing with bytes unread
 * would reset the connection, and the client might never see the answer.
 */
export class Farewells {
  readonly #deadlines = new Deadlines<Socket>((socket) => socket.destroy());

  say(socket: Socket, words: Buffer): void {
    this.#deadlines.add(socket, lingerMs);
    socket.once('close', () => this.#deadlines.delete(socket));
    socket.once('end', () => socket.destroySoon());
    socket.end(words);
    socket.resume();
  }

  destroy(): void {
    for (const socket of this.#deadlines.clear()) socket.destroy();
  }
}
