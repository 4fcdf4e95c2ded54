/**
 * The WebSocket handshake where client and backend speak different HTTP versions: RFC 6455 §4 has a key and a proof that
 * it was read, RFC 8441 §5 has neither.
 */
import { createHash, randomBytes } from 'node:crypto';
import { headerValue, withoutNames } from './headers.ts';

const accept: ReadonlySet<string> = new Set(['sec-websocket-accept']);

/** Headers for a backend; one with HTTP/2 leaves the key out again. */
export function withKey(headers: readonly string[]): readonly string[] {
  if (headerValue(headers, 'sec-websocket-key') !== undefined) return headers;
  return [...headers, 'Sec-WebSocket-Key', randomBytes(16).toString('base64')];
}

/** Headers for the client, which speaks `version` and has sent `key`. */
export function handshakeHeaders(headers: readonly string[], version: string, key: string | undefined): string[] {
  if (version === '2') return withoutNames(headers, accept);
  if (key === undefined || headerValue(headers, 'sec-websocket-accept') !== undefined) return [...headers];
  return [...headers, 'Sec-WebSocket-Accept', acceptFor(key)];
}

/** RFC 6455 §4.2.2. SHA-1 proves that the key was read, and protects nothing. */
export function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
