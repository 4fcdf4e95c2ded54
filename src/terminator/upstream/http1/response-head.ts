/** Status line and header section of an HTTP/1.1 response (RFC 9112 §4, §5), read strictly: what is doubtful is refused. */

import { FieldNames, nextHash } from '../../head-text/field-names.ts';

/** A backend's answer that HTTP does not allow. The message is for the log. */
export class BadResponse extends Error {
  override readonly name = 'BadResponse';
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, … as sent. */
  readonly headers: readonly string[];
  readonly framing: Framing;
  /** Whether the connection may carry another response after this one. */
  readonly keepAlive: boolean;
  /** `timeout` of a Keep-Alive header, milliseconds. */
  readonly keepAliveMs: number | undefined;
}

/** Where the body ends (RFC 9112 §6.3): after so many bytes, or… */
export type Framing = number | 'chunked' | 'close';

/** Fields that say how to read the answer, and whether another one may follow. */
type Special = 'content-length' | 'transfer-encoding' | 'connection' | 'keep-alive';

const names = new FieldNames<Special>(['content-length', 'transfer-encoding', 'connection', 'keep-alive']);

const isToken = 1;
const isText = 2;

/** What each byte may be part of: a name (RFC 9110 §5.6.2), a value (§5.5), both or nothing. */
const kinds = new Uint8Array(256);
for (let code = 0x20; code < 0x100; code += 1) if (code !== 0x7f) kinds[code] = isText;
kinds[9] = isText;
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
  kinds[char.charCodeAt(0)] = isToken | isText;
}

/**
 * The head in `text` up to `end`, where the empty line begins. `method` is the request's, which decides whether a body
 * follows. One pass, no copies but the names and values themselves.
 */
export function parseResponseHead(text: string, end: number, method: string): ResponseHead {
  const firstEnd = statusLineEnd(text);
  const minor = text.charCodeAt(7) - 0x30;
  const status = statusOf(text);
  const fields = new FieldLines();
  const headers = fields.list;
  let length: string | undefined;
  let transferEncoding: string | undefined;
  let keepAlive = minor === 1;
  let keepAliveMs: number | undefined;
  for (let at = firstEnd + 2; at < end;) {
    at = fields.read(text, at);
    const value = headers[headers.length - 1] as string;
    switch (fields.special) {
      case undefined:
        break;
      case 'content-length':
        length = takeLength(headers, length);
        break;
      case 'transfer-encoding':
        transferEncoding = transferEncoding === undefined ? value : `${transferEncoding}, ${value}`;
        break;
      case 'connection':
        keepAlive &&= !hasClose(value);
        break;
      case 'keep-alive':
        keepAliveMs = keepAliveTimeout(value) ?? keepAliveMs;
        break;
    }
  }
  return {
    status,
    reason: text.slice(13, firstEnd),
    headers: status === 204 && length !== undefined ? withoutLength(headers) : headers,
    framing: framingOf({ status, minor, method, length, transferEncoding }),
    keepAlive,
    keepAliveMs,
  };
}

/** Field lines, read one after the other. */
export class FieldLines {
  /** Name, value, … */
  readonly list: string[] = [];
  /** What the last one read means to this connection. */
  special: Special | undefined;

  /** Reads the line from `at` on and returns where the next begins; folding and bare CR or LF are refused (RFC 9112 §5.2, §2.2). */
  read(text: string, at: number): number {
    let i = at;
    let hash = 0;
    let code = text.charCodeAt(i);
    while (((kinds[code] as number) & isToken) !== 0) {
      hash = nextHash(hash, code);
      code = text.charCodeAt((i += 1));
    }
    if (i === at || code !== 0x3a) throw new BadResponse('A header name is malformed.');
    const name = names.find(text, at, i, hash);
    i += 1;
    while (isBlank(text.charCodeAt(i))) i += 1;
    const start = i;
    while (((kinds[text.charCodeAt(i)] as number) & isText) !== 0) i += 1;
    if (text.charCodeAt(i) !== 13 || text.charCodeAt(i + 1) !== 10)
      throw new BadResponse('A header value contains a control character.');
    let stop = i;
    while (stop > start && isBlank(text.charCodeAt(stop - 1))) stop -= 1;
    this.list.push(name.text, text.slice(start, stop));
    this.special = name.special;
    return i + 2;
  }
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** Checks `HTTP/1.x nnn[ reason]` and returns where the line ends. */
function statusLineEnd(text: string): number {
  const end = text.indexOf('\r\n');
  const minor = text.charCodeAt(7);
  const first = text.charCodeAt(9);
  const well =
    end >= 12 &&
    text.startsWith('HTTP/1.') &&
    (minor === 0x30 || minor === 0x31) &&
    text.charCodeAt(8) === 32 &&
    first >= 0x31 &&
    first <= 0x35 &&
    isDigit(text.charCodeAt(10)) &&
    isDigit(text.charCodeAt(11)) &&
    (end === 12 || text.charCodeAt(12) === 32);
  if (!well) throw new BadResponse('The status line is malformed.');
  for (let i = 13; i < end; i += 1) {
    if (((kinds[text.charCodeAt(i)] as number) & isText) === 0) throw new BadResponse('The status line is malformed.');
  }
  return end;
}

/** The three digits of a line that has been checked. */
function statusOf(text: string): number {
  return (text.charCodeAt(9) - 0x30) * 100 + (text.charCodeAt(10) - 0x30) * 10 + text.charCodeAt(11) - 0x30;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The field read last is a Content-Length: it is passed on once (RFC 9110 §8.6), and without zeros that could read as octal. */
function takeLength(fields: string[], before: string | undefined): string {
  const last = fields.length - 1;
  let value = fields[last] as string;
  if (value.charCodeAt(0) === 0x30) fields[last] = value = value.replace(/^0+(?=\d)/, '');
  if (before === undefined) return value;
  if (before !== value) throw new BadResponse('The Content-Length contradicts itself.');
  fields.length -= 2;
  return value;
}

function hasClose(value: string): boolean {
  const lower = value.toLowerCase();
  if (!lower.includes('close')) return false;
  return lower.split(',').some((option) => option.trim() === 'close');
}

function keepAliveTimeout(value: string): number | undefined {
  const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** RFC 9110 §8.6: a 204 has none, and clients rightly refuse one that does. */
function withoutLength(headers: readonly string[]): string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'content-length');
}

interface FramingInput {
  readonly status: number;
  readonly minor: number;
  readonly method: string;
  readonly length: string | undefined;
  readonly transferEncoding: string | undefined;
}

function framingOf({ status, minor, method, length, transferEncoding }: FramingInput): Framing {
  if (transferEncoding !== undefined) {
    if (length !== undefined) throw new BadResponse('The answer has both Content-Length and Transfer-Encoding.');
    if (minor === 0) throw new BadResponse('An HTTP/1.0 answer has a Transfer-Encoding.');
    if (transferEncoding.toLowerCase() !== 'chunked') throw new BadResponse('The Transfer-Encoding is not "chunked".');
  }
  const bytes = length === undefined ? 0 : lengthOf(length);
  if (status === 205 && bytes > 0) throw new BadResponse('A 205 has a body.');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0;
  if (transferEncoding !== undefined) return 'chunked';
  return length === undefined ? 'close' : bytes;
}

function lengthOf(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) throw new BadResponse('The Content-Length is malformed.');
    bytes = bytes * 10 + code - 0x30;
  }
  if (text.length === 0 || text.length > 15) throw new BadResponse('The Content-Length is malformed.');
  return bytes;
}
