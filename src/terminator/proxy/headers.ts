/** What a proxy changes in header sections (RFC 9110 §7.6). Headers are flat lists: name, value, name, value, … */
import type { Inbound } from './exchange.ts';

/** Belong to one connection and are never passed on; `te` and `trailer` are handled where trailers are. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** A Connection header may not take these away, or a client could have one message read as two. */
const neverNamed = new Set(['host', 'content-length', 'content-type', 'cookie', 'authorization', 'expect']);

/** Nothing a trailer may say: it frames, routes or authenticates the message (RFC 9110 §6.5.1). */
const neverTrailers = new Set([...neverNamed, 'trailer', 'set-cookie', 'content-encoding', 'content-range']);

/**
 * What a backend believes about who asks comes from us alone: a client that says it itself is not believed (RFC 7239
 * §8.1). `X_Forwarded_For` is the same to a backend that maps headers to CGI variables, and `Proxy` becomes `HTTP_PROXY`.
 */
function claimsOrigin(lower: string): boolean {
  const first = lower.charCodeAt(0);
  if (first !== 0x78 && first !== 0x66 && first !== 0x70) return false; // x, f, p
  const name = lower.replaceAll('_', '-');
  return name.startsWith('x-forwarded-') || name === 'x-real-ip' || name === 'forwarded' || name === 'proxy';
}

/** The headers a backend gets, framing apart. */
export function forwardedHeaders(inbound: Inbound): { headers: string[]; trailers: boolean } {
  const { authority, headers, connection, body } = inbound;
  const named = connectionOptions(headers);
  const result: string[] = [];
  let cookies = '';
  let trailers = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const lower = name.toLowerCase();
    if (lower === 'host') continue;
    if (lower === 'te') trailers ||= /(?:^|,)\s*trailers\s*(?:,|$)/i.test(value);
    if (hopByHop.has(lower)) continue;
    if (lower === 'cookie') cookies += cookies === '' ? value : `; ${value}`;
    else if (lower === 'content-length' && body?.framing !== 'length' && value !== '0') continue;
    else if (!claimsOrigin(lower) && named?.has(lower) !== true) result.push(name, value);
  }
  if (cookies !== '') result.push('Cookie', cookies); // RFC 9113 §8.2.3: HTTP/2 may split it, HTTP/1.1 may not
  result.push('X-Forwarded-For', connection.address, 'X-Forwarded-Proto', connection.protocol);
  result.push('X-Forwarded-Host', authority);
  return { headers: result, trailers };
}

/** A backend's response headers without what belongs to its connection. `lowerCase` for HTTP/2. */
export function responseHeaders(headers: readonly string[], lowerCase: boolean): string[] {
  const named = connectionOptions(headers);
  const result: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || named?.has(lower) === true) continue;
    result.push(lowerCase ? lower : name, headers[i + 1] as string);
  }
  return result;
}

/** The trailers that may be passed on. */
export function passableTrailers(trailers: readonly string[]): readonly string[] {
  const result: string[] = [];
  for (let i = 0; i < trailers.length; i += 2) {
    const lower = (trailers[i] as string).toLowerCase();
    if (hopByHop.has(lower) || neverTrailers.has(lower) || claimsOrigin(lower)) continue;
    result.push(trailers[i] as string, trailers[i + 1] as string);
  }
  return result;
}

/** Values of a header in the list, in order. */
export function headerValues(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name) values.push(headers[i + 1] as string);
  }
  return values;
}

function connectionOptions(headers: readonly string[]): Set<string> | undefined {
  let named: Set<string> | undefined;
  for (const value of headerValues(headers, 'connection')) {
    for (const option of value.toLowerCase().split(',')) {
      const name = option.trim();
      if (name !== '' && name !== 'close' && name !== 'keep-alive' && !neverNamed.has(name))
        (named ??= new Set()).add(name);
    }
  }
  return named;
}
