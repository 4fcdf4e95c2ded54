/** Requests that are answered here and end their connection: what the status says, and why. */
import { STATUS_CODES } from 'node:http';
import { httpDate } from './http-date.ts';

/** What a client went over; the same words as for HTTP/2. */
export type Http1Limit =
  | 'header-bytes'
  | 'header-count'
  | 'header-time'
  | 'body-bytes'
  | 'body-time'
  /** An answer that is not read: the connection is closed. */
  | 'stalled'
  /** Requests of the connection: `Connection: close`. */
  | 'requests';

export interface Refusal {
  readonly status: number;
  readonly limit?: Http1Limit;
  /** Goes into the body of the answer; nothing of the request is repeated in it. */
  readonly reason: string;
}

const bad = (reason: string): Refusal => ({ status: 400, reason });

export const refusals = {
  // The head as a whole.
  bareLf: bad('a line does not end in CRLF'),
  bareCr: bad('a carriage return stands alone'),
  control: bad('a control character in the request head'),
  tls: bad('TLS on a port that speaks plain HTTP'),
  http2: bad('HTTP/2 has to be negotiated with ALPN "h2" over TLS'),
  headTooLarge: { status: 431, limit: 'header-bytes', reason: 'the header section is too large' },
  tooManyFields: { status: 431, limit: 'header-count', reason: 'too many header fields' },
  headTooSlow: { status: 408, limit: 'header-time', reason: 'the request head took too long' },
  // The request line.
  requestLine: bad('malformed request line'),
  method: { status: 501, reason: 'unknown method' },
  connect: { status: 501, reason: 'CONNECT is not served here' },
  target: bad('malformed target'),
  targetTooLong: { status: 414, limit: 'header-bytes', reason: 'the request line is too long' },
  version: bad('the version is not HTTP/1.0 or HTTP/1.1'),
  versionUnknown: { status: 505, reason: 'this connection speaks HTTP/1.1' },
  // Header fields.
  fieldName: bad('malformed header name'),
  fieldSpace: bad('whitespace before a colon, or a folded header line'),
  fieldValue: bad('a control character in a header value'),
  fieldTab: bad('a tab around a value that says how to read the message'),
  // Host.
  noHost: bad('no Host header'),
  hosts: bad('more than one Host header'),
  host: bad('malformed host'),
  // Framing.
  length: bad('malformed Content-Length'),
  lengths: bad('more than one Content-Length header'),
  lengthAndCoding: bad('both Content-Length and Transfer-Encoding'),
  codings: bad('more than one Transfer-Encoding header'),
  coding: { status: 501, reason: 'the Transfer-Encoding is not "chunked"' }, // RFC 9112 §6.1
  codingVersion: bad('Transfer-Encoding in HTTP/1.0'),
  upgradeBody: bad('an upgrade with a body'),
  // The body.
  bodyTooLarge: { status: 413, limit: 'body-bytes', reason: 'the request body is too large' },
  bodyTooSlow: { status: 408, limit: 'body-time', reason: 'the request body took too long' },
  chunkSize: bad('malformed chunk size'),
  chunkExtension: bad('malformed or too large chunk extension'),
  chunkEnd: bad('a chunk is longer or shorter than it says'),
  trailersTooLarge: { status: 431, limit: 'header-bytes', reason: 'the trailer section is too large' },
} as const satisfies Record<string, Refusal>;

/** The whole answer. */
export function refusalText({ status, reason }: Refusal): string {
  const words = STATUS_CODES[status] ?? '';
  const body = `${status} ${words}: ${reason}\n`;
  return (
    `HTTP/1.1 ${status} ${words}\r\nDate: ${httpDate()}\r\nContent-Type: text/plain; charset=utf-8\r\n` +
    `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
  );
}
