/** What a header name means to a proxy (RFC 9110 §7.6); looked up once for each name that is in use. */

/** `undefined`: passed on as it is. */
export type RequestKind =
  /** Belongs to one connection, or is written anew by whoever sends the message on. */
  | 'drop'
  | 'connection'
  | 'te'
  | 'cookie'
  | 'content-length'
  | 'via'
  | 'max-forwards'
  /** Said by a client itself: who it is, and how it came. Only a trusted proxy is believed (RFC 7239 §8.1). */
  | 'forwarded-for'
  | 'forwarded'
  | 'forwarded-proto'
  | 'forwarded-host'
  | 'forwarded-port'
  | 'forwarded-other';

export type ResponseKind = 'drop' | 'connection' | 'via' | 'transport-security';

export interface HeaderName {
  readonly lower: string;
  readonly request: RequestKind | undefined;
  readonly response: ResponseKind | undefined;
}

const hopByHop = ['keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'] as const;

const requestKinds: ReadonlyMap<string, RequestKind> = new Map([
  ...hopByHop.map((name): [string, RequestKind] => [name, 'drop']),
  ['host', 'drop'],
  // `Proxy` becomes HTTP_PROXY to a CGI program; the others are said by us or by nobody.
  ['proxy', 'drop'],
  ['x-real-ip', 'drop'],
  ['client-cert', 'drop'],
  ['client-cert-chain', 'drop'],
  ['connection', 'connection'],
  ['te', 'te'],
  ['cookie', 'cookie'],
  ['content-length', 'content-length'],
  ['via', 'via'],
  ['max-forwards', 'max-forwards'],
  ['forwarded', 'forwarded'],
  ['x-forwarded-for', 'forwarded-for'],
  ['x-forwarded-proto', 'forwarded-proto'],
  ['x-forwarded-host', 'forwarded-host'],
  ['x-forwarded-port', 'forwarded-port'],
]);

const responseKinds: ReadonlyMap<string, ResponseKind> = new Map([
  ...hopByHop.map((name): [string, ResponseKind] => [name, 'drop']),
  ['te', 'drop'],
  ['connection', 'connection'],
  ['via', 'via'],
  ['strict-transport-security', 'transport-security'],
]);

function requestKind(lower: string): RequestKind | undefined {
  const kind = requestKinds.get(lower);
  if (kind !== undefined) return kind;
  if (lower.startsWith('x-forwarded-')) return 'forwarded-other';
  if (lower.startsWith('x-client-cert')) return 'drop';
  // To a backend that maps headers to variables, `X_Forwarded_For` and `Content_Length` are the same as with hyphens; PHP
  // takes a dot for one, too, and other programs everything else that is no letter or digit.
  return odd.test(lower) && requestKind(lower.replaceAll(odds, '-')) !== undefined ? 'drop' : undefined;
}

const odd = /[^a-z0-9-]/;
const odds = /[^a-z0-9-]/g;

const mostKept = 1_000;
const longestKept = 64;
const known = new Map<string, HeaderName>();

/** `name` as written. Keeps what it has found out, within bounds. */
export function headerName(name: string): HeaderName {
  const found = known.get(name);
  if (found !== undefined) return found;
  const lower = name.toLowerCase();
  const header = { lower, request: requestKind(lower), response: responseKinds.get(lower) };
  if (known.size < mostKept && name.length <= longestKept) known.set(name, header);
  return header;
}

// Known from the beginning, so that whoever sends a thousand odd names takes the place of none of these.
for (const lower of [...requestKinds.keys(), ...responseKinds.keys(), ...commonNames()]) {
  headerName(lower);
  headerName(lower.replaceAll(/(?:^|-)[a-z]/g, (start) => start.toUpperCase()));
}

function commonNames(): string[] {
  return (
    'accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-origin age allow alt-svc ' +
    'authorization cache-control content-disposition content-encoding content-language content-location content-range ' +
    'content-security-policy content-type date dnt etag expect expires if-match if-modified-since if-none-match ' +
    'if-range if-unmodified-since last-modified link location origin pragma priority range referer retry-after ' +
    'sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user ' +
    'sec-websocket-accept sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version ' +
    'server set-cookie traceparent tracestate trailer upgrade-insecure-requests user-agent vary www-authenticate ' +
    'x-content-type-options x-frame-options x-powered-by x-request-id x-requested-with'
  ).split(' ');
}
