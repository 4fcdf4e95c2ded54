/**
 * The answer to a WebSocket handshake where client and backend speak different HTTP versions: RFC 6455 §4 has a proof
 * that the client's key was read, RFC 8441 §5 has neither. Towards a backend the key is the transport's.
 */
import { createHash } from 'node:crypto';
import { headerValue, withoutNames } from './headers.ts';

const accept: ReadonlySet<string> = new Set(['sec-websocket-accept']);

/** Headers for the client, which speaks `version` and has sent `key`. */
export function handshakeHeaders(headers: readonly string[], version: string, key: string | undefined): string[] {
  if (version === '2') return withoutNames(headers, accept);
  if (key === undefined || headerValue(headers, 'sec-websocket-accept') !== undefined) return [...headers];
  return [...headers, 'Sec-WebSocket-Accept', acceptFor(key)];
}

/** RFC 6455 §4.2.2. SHA-1 proves that the key was read, and protects nothing. */
function acceptFor(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}
