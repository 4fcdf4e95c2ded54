/** What a proxy changes in header sections (RFC 9110 §7.6). Headers are flat lists: name, value, name, value, … */

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

const forwardedHeaders = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']);

export interface Forwarding {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly string[];
  readonly clientAddress: string;
  readonly protocol: 'https' | 'http';
  /** Request body: how it is framed towards the backend. */
  readonly body: 'none' | 'length' | 'chunked';
  /** `websocket` where the request asks for one. */
  readonly upgrade?: string | undefined;
}

/** The request as the backend gets it: request line, headers, empty line. */
export function requestHead(forwarding: Forwarding): string {
  const { method, target, host, headers, clientAddress, protocol, body, upgrade } = forwarding;
  const named = connectionOptions(headers);
  let text = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`;
  let forwardedFor = '';
  let cookies = '';
  let trailers = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const lower = name.toLowerCase();
    if (lower === 'host' || lower.startsWith(':')) continue;
    if (lower === 'te') trailers ||= /(?:^|,)\s*trailers\s*(?:,|$)/i.test(value);
    if (hopByHop.has(lower)) continue;
    if (lower === 'x-forwarded-for') forwardedFor += `${value}, `;
    else if (lower === 'cookie') cookies += cookies === '' ? value : `; ${value}`;
    else if (lower === 'content-length' && body !== 'length' && value !== '0') continue;
    else if (!forwardedHeaders.has(lower) && !named?.has(lower)) text += `${name}: ${value}\r\n`;
  }
  if (named?.has('x-forwarded-for') === true) forwardedFor = '';
  if (cookies !== '') text += `Cookie: ${cookies}\r\n`; // RFC 9113 §8.2.3: HTTP/2 may split it, HTTP/1.1 may not
  if (trailers && upgrade === undefined) text += 'TE: trailers\r\nConnection: TE\r\n';
  if (upgrade !== undefined) text += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  if (body === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  text += `X-Forwarded-For: ${forwardedFor}${clientAddress}\r\n`;
  return `${text}X-Forwarded-Proto: ${protocol}\r\nX-Forwarded-Host: ${host}\r\n\r\n`;
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
