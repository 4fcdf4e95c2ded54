/** The handshake of WebSocket with an HTTP/1.1 backend (RFC 6455 §4). */
import { createHash, randomBytes } from 'node:crypto';
import { find } from '../headers.ts';

/** The key in a request, or a new one for a client that sends none, as over HTTP/2 (RFC 8441 §5). */
export function keyOf(headers: readonly string[]): { readonly key: string; readonly own: boolean } {
  const key = find(headers, 'sec-websocket-key');
  return key === undefined ? { key: randomBytes(16).toString('base64'), own: true } : { key, own: false };
}

/** Whether a 101 answers the key: otherwise it answers another request, or none. SHA-1 protects nothing here. */
export function accepts(headers: readonly string[], key: string): boolean {
  const proof = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return find(headers, 'sec-websocket-accept') === proof;
}
