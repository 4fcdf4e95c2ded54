/** Status line and header section of an HTTP/1.1 response (RFC 9112 §4, §5), read strictly: what is doubtful is refused. */

/** A backend's answer that HTTP does not allow. The message is for the log. */
export class BadResponse extends Error {
  override readonly name = 'BadResponse';
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** 0 or 1. */
  readonly minor: number;
  /** Name, value, name, value, … as sent. */
  readonly headers: readonly string[];
  readonly framing: Framing;
  /** Whether the connection may carry another response after this one. */
  readonly keepAlive: boolean;
  /** `timeout` of a Keep-Alive header, milliseconds. */
  readonly keepAliveMs?: number | undefined;
}

/** Where the body ends (RFC 9112 §6.3). */
export type Framing = 'none' | 'chunked' | 'close' | { readonly length: number };

const statusLine = /^HTTP\/1\.([01]) ([1-5]\d{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const forbidden = /[\x00-\x08\x0a-\x1f\x7f]/;

/** The head up to and without the empty line. `method` is the request's, which decides whether a body follows. */
export function parseResponseHead(text: string, method: string): ResponseHead {
  const lines = text.split('\r\n');
  const start = statusLine.exec(lines[0] ?? '');
  if (start === null) throw new BadResponse('The status line is malformed.');
  const status = Number(start[2]);
  const minor = Number(start[1]);
  const headers = parseFields(lines, 1);
  const lengths = new Set<string>();
  let transferEncoding: string | undefined;
  let connection = '';
  let keepAliveMs: number | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    switch ((headers[i] as string).toLowerCase()) {
      case 'content-length':
        lengths.add(value);
        break;
      case 'transfer-encoding':
        transferEncoding = transferEncoding === undefined ? value : `${transferEncoding}, ${value}`;
        break;
      case 'connection':
        connection += `,${value.toLowerCase()}`;
        break;
      case 'keep-alive': {
        const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
        if (seconds !== undefined) keepAliveMs = Number(seconds) * 1000;
        break;
      }
    }
  }
  const options = connection.split(',').map((option) => option.trim());
  return {
    status,
    reason: start[3] ?? '',
    minor,
    headers: status === 204 ? withoutLength(headers) : headers,
    framing: framingOf({ status, minor, method, lengths, transferEncoding }),
    keepAlive: minor === 1 && !options.includes('close'),
    keepAliveMs,
  };
}

/** Field lines from `from` on, as name, value, …; obsolete folding and bare CR or LF are refused (RFC 9112 §5.2, §2.2). */
export function parseFields(lines: readonly string[], from: number): string[] {
  const fields: string[] = [];
  for (let i = from; i < lines.length; i += 1) {
    const line = lines[i] as string;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!token.test(name)) throw new BadResponse('A header name is malformed.');
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (forbidden.test(value)) throw new BadResponse('A header value contains a control character.');
    fields.push(name, value);
  }
  return fields;
}

/** RFC 9110 §8.6: a 204 has none, and clients rightly refuse one that does. */
function withoutLength(headers: readonly string[]): string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'content-length');
}

interface FramingInput {
  readonly status: number;
  readonly minor: number;
  readonly method: string;
  readonly lengths: ReadonlySet<string>;
  readonly transferEncoding: string | undefined;
}

function framingOf({ status, minor, method, lengths, transferEncoding }: FramingInput): Framing {
  if (transferEncoding !== undefined) {
    if (lengths.size > 0) throw new BadResponse('The answer has both Content-Length and Transfer-Encoding.');
    if (minor === 0) throw new BadResponse('An HTTP/1.0 answer has a Transfer-Encoding.');
    if (transferEncoding.toLowerCase() !== 'chunked') throw new BadResponse('The Transfer-Encoding is not "chunked".');
  }
  const [length, another] = lengths;
  if (another !== undefined || (length !== undefined && !/^\d{1,15}$/.test(length))) {
    throw new BadResponse('The Content-Length is malformed or contradicts itself.');
  }
  if (status === 205 && Number(length ?? 0) > 0) throw new BadResponse('A 205 has a body.');
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (transferEncoding !== undefined) return 'chunked';
  return length === undefined ? 'close' : { length: Number(length) };
}
