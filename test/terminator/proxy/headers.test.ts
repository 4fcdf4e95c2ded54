import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Connection, Inbound } from '../../../src/terminator/proxy/exchange.ts';
import { headerName } from '../../../src/terminator/proxy/header-kinds.ts';
import { passableTrailers } from '../../../src/terminator/proxy/headers.ts';
import { requestHeaders } from '../../../src/terminator/proxy/request-headers.ts';
import { responseHeaders } from '../../../src/terminator/proxy/response-headers.ts';
import { compileChanges } from '../../../src/terminator/routing/header-changes.ts';
import { connectionWith, inboundWith, SentBody } from './support.ts';

/** What a backend gets, as `name: value` lines with lower-case names. */
function lines(
  headers: readonly string[],
  overrides: Partial<Inbound> = {},
  connection: Partial<Connection> = {},
): string[] {
  const inbound = inboundWith({
    headers,
    connection: connectionWith(connection),
    authority: 'shop.test:8443',
    ...overrides,
  });
  return asLines(requestHeaders(inbound, undefined, undefined).headers);
}

function asLines(headers: readonly string[]): string[] {
  return headers.flatMap((name, i) => (i % 2 === 0 ? [`${name.toLowerCase()}: ${headers[i + 1]}`] : []));
}

/** What we add ourselves, for any request of `lines`. */
const ours = [
  'x-forwarded-for: 192.0.2.7',
  'x-forwarded-proto: https',
  'x-forwarded-host: shop.test:8443',
  'x-forwarded-port: 8443',
  'forwarded: for=192.0.2.7;host="shop.test:8443";proto=https',
  'via: 1.1 certplane',
];

test('a backend learns who asked, how and for what, and the rest as it came', () => {
  assert.deepEqual(lines(['Host', 'ignored', 'Accept', '*/*', 'TraceParent', '00-ab', 'tracestate', 'x=1']), [
    'accept: */*',
    'traceparent: 00-ab',
    'tracestate: x=1',
    ...ours,
  ]);
  assert.deepEqual(lines([], { version: '2', authority: 'a.test' }, { address: '2001:db8::1', protocol: 'http' }), [
    'x-forwarded-for: 2001:db8::1',
    'x-forwarded-proto: http',
    'x-forwarded-host: a.test',
    'x-forwarded-port: 80',
    'forwarded: for="[2001:db8::1]";host="a.test";proto=http',
    'via: 2 certplane',
  ]);
  assert.ok(lines([], { authority: '[::1]' }).includes('x-forwarded-port: 443'));
});

test('never (§5.13): two hosts asked for on one connection are each told to their own backend', () => {
  const connection = connectionWith({ address: '192.0.2.7' });
  const told = (authority: string, version: Inbound['version'] = '1.1'): string[] =>
    asLines(requestHeaders(inboundWith({ headers: [], connection, authority, version }), undefined, undefined).headers);
  assert.deepEqual(told('shop.test:8443'), ours);
  const other = told('b.test');
  assert.ok(other.includes('x-forwarded-host: b.test') && other.includes('x-forwarded-port: 443'), other.join('\n'));
  assert.ok(told('b.test', '1.0').includes('via: 1.0 certplane'));
  assert.deepEqual(told('shop.test:8443'), ours);
});

/** What a name may contain besides letters and digits (RFC 9110 §5.6.2). */
const hyphens = Array.from("-_.!#$%&'*+^`|~");

const claims = [
  'Forwarded',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Forwarded-User',
  'X-Real-IP',
  'Proxy',
];

test('what a client says about its own origin is not passed on, however it is spelt', () => {
  const spelt = claims.flatMap((name) => [
    name,
    name.toLowerCase(),
    name.replaceAll('-', '_'),
    name.replaceAll('-', '.'),
  ]);
  assert.deepEqual(lines([...spelt.flatMap((name) => [name, 'lie']), 'X-Forwarder', 'kept']), [
    'x-forwarder: kept',
    ...ours,
  ]);
});

test('a trusted proxy is believed and added to; its look-alikes are not', () => {
  const sent = ['X-Forwarded-For', '203.0.113.9', 'x-forwarded-for', '198.51.100.1', 'X-Forwarded-Proto', 'http'];
  sent.push('X-Forwarded-Host', 'outer.test', 'X-Forwarded-Port', '81', 'Forwarded', 'for=203.0.113.9');
  sent.push('X-Forwarded-Prefix', '/p', 'X_Forwarded_For', 'lie', 'X-Real-IP', 'lie', 'Proxy', 'lie');
  assert.deepEqual(lines(sent, {}, { trusted: true }), [
    'x-forwarded-proto: http',
    'x-forwarded-host: outer.test',
    'x-forwarded-port: 81',
    'x-forwarded-prefix: /p',
    'x-forwarded-for: 203.0.113.9, 198.51.100.1, 192.0.2.7',
    'forwarded: for=203.0.113.9, for=192.0.2.7;host="shop.test:8443";proto=https',
    'via: 1.1 certplane',
  ]);
  assert.deepEqual(lines([], {}, { trusted: true }), ours);
});

test('never (§5.13): a client cannot say who it is by certificate, however it spells the header, trusted or not', () => {
  const names = [
    'Client-Cert',
    'Client-Cert-Chain',
    'X-Client-Cert-Verified',
    'X-Client-Cert-Subject',
    'x-client-cert-new',
  ];
  const spelling = fc.constantFrom(...names).chain((name) =>
    fc
      .array(fc.tuple(fc.constantFrom(...hyphens), fc.boolean()), { minLength: name.length, maxLength: name.length })
      .map((changes) =>
        Array.from(name)
          .map((c, i) => {
            const [hyphen, upper] = changes[i] ?? ['-', false];
            return c === '-' ? hyphen : upper ? c.toUpperCase() : c.toLowerCase();
          })
          .join(''),
      ),
  );
  const verified = ['X-Client-Cert-Verified', 'none'];
  fc.assert(
    fc.property(spelling, fc.boolean(), (name, trusted) => {
      const inbound = inboundWith({
        headers: [name, 'forged', 'Connection', 'x-client-cert-verified'],
        connection: connectionWith({ trusted }),
      });
      const { headers } = requestHeaders(inbound, undefined, verified);
      assert.ok(!headers.includes('forged'), name);
      assert.deepEqual(headers.slice(-2), verified);
    }),
  );
});

test('what belongs to the client connection stays there, also what its Connection header names', () => {
  const headers = {
    Connection: 'close, X-Secret',
    'Keep-Alive': 'timeout=5',
    'Proxy-Connection': 'x',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAA',
    'X-Secret': '1',
    'Transfer-Encoding': 'chunked',
    Transfer_Encoding: 'chunked',
    Content_Length: '7',
    'X-Kept': '2',
  };
  assert.deepEqual(lines(Object.entries(headers).flat()), ['x-kept: 2', ...ours]);
  assert.deepEqual(lines(['X-A', '1', 'connection', 'x-b , x-a', 'X-B', '1']), ours, 'wherever it stands');
});

test('a Connection header cannot take away what the message means, nor what we say', () => {
  const named = 'content-length, host, authorization, cookie, x-forwarded-for, via, forwarded';
  const headers = ['Connection', named, 'Content-Length', '3', 'Authorization', 'b', 'Cookie', 'a=1'];
  const body = Object.assign(new SentBody(), { framing: 'length' as const });
  assert.deepEqual(lines(headers, { body }), ['content-length: 3', 'authorization: b', 'cookie: a=1', ...ours]);
});

test('a Connection header that a trusted proxy passes on cannot take away what that proxy says', () => {
  const said = [
    'X-Forwarded-Proto',
    'http',
    'X-Forwarded-Host',
    'a.test',
    'X-Forwarded-Port',
    '1',
    'X-Forwarded-Prefix',
    '/p',
  ];
  const named = ['Connection', 'x-forwarded-proto, X-Forwarded-Host, x-forwarded-port, x-forwarded-prefix'];
  assert.deepEqual(lines([...named, ...said], {}, { trusted: true }), lines(said, {}, { trusted: true }));
});

test('bodies are framed anew: a length is passed on only where it counts', () => {
  const withLength = Object.assign(new SentBody(), { framing: 'length' as const });
  assert.ok(lines(['content-length', '3'], { body: withLength }).includes('content-length: 3'));
  assert.deepEqual(lines(['content-length', '3'], { body: new SentBody() }), ours);
  assert.ok(lines(['content-length', '0']).includes('content-length: 0'));
});

test('cookies that HTTP/2 split are one again, and TE says only whether trailers are understood', () => {
  const inbound = inboundWith({ headers: ['cookie', 'a=1', 'te', 'trailers', 'cookie', 'b=2'] });
  const { headers, trailers } = requestHeaders(inbound, undefined, undefined);
  assert.equal(trailers, true);
  assert.deepEqual(asLines(headers).slice(0, 1), ['cookie: a=1; b=2']);
  for (const [te, wanted] of [
    ['gzip', false],
    ['deflate, trailers;q=0.5', false],
    ['gzip , Trailers', true],
  ] as const)
    assert.equal(requestHeaders(inboundWith({ headers: ['TE', te] }), undefined, undefined).trailers, wanted, te);
});

const passes = (...via: string[]): number =>
  requestHeaders(inboundWith({ headers: via.flatMap((value) => ['Via', value]) }), undefined, undefined).passes;

test('Via grows, and counts how often a request has come through here', () => {
  assert.equal(passes(), 0);
  assert.equal(passes('1.1 other, 1.1 not-certplane, 1.0 certplane.example'), 0);
  assert.equal(passes('1.1 certplane', '2 certplane (x),1.1 squid'), 2);
  assert.ok(lines(['Via', '1.1 a', 'via', '2 b']).includes('via: 1.1 a, 2 b, 1.1 certplane'));
});

const counted = (method: string, value: string): string | undefined =>
  lines(['Max-Forwards', value], { method }).find((line) => line.startsWith('max-'));

test('Max-Forwards is counted down for TRACE and OPTIONS alone', () => {
  assert.equal(counted('OPTIONS', '3'), 'max-forwards: 2');
  assert.equal(counted('TRACE', '1'), 'max-forwards: 0');
  assert.equal(counted('GET', '3'), 'max-forwards: 3');
  assert.equal(counted('OPTIONS', 'x'), 'max-forwards: x');
});

test('a route removes, then sets, then adds, and cannot touch what frames the message', () => {
  const changes = compileChanges({
    remove: ['X-Gone', 'via', 'content-length', 'x-both'],
    set: { 'x-set': 'new', 'transfer-encoding': 'chunked', host: 'evil.test' },
    add: { 'x-more': '2', 'x-both': 'added', connection: 'close' },
  });
  const headers = [
    'X-Gone',
    '1',
    'X-Set',
    'old',
    'x-set',
    'older',
    'X-More',
    '1',
    'X-Both',
    'old',
    'Content-Length',
    '0',
  ];
  const { headers: result } = requestHeaders(inboundWith({ headers }), changes, undefined);
  const got = asLines(result).filter((line) => !/^(?:x-forwarded|forwarded)/.test(line));
  assert.deepEqual(got, ['x-more: 1', 'content-length: 0', 'x-set: new', 'x-more: 2', 'x-both: added']);
});

const hsts = { maxAgeSeconds: 300, includeSubdomains: true, preload: true };

function answered(
  headers: readonly string[],
  {
    protocol = 'https',
    policy,
    set = {},
    version = '1.1',
  }: {
    protocol?: 'https' | 'http';
    policy?: typeof hsts | undefined;
    set?: Record<string, string>;
    version?: '1.1' | '2';
  } = {},
): string[] {
  return responseHeaders(headers, '1.1', {
    inbound: inboundWith({ version, connection: connectionWith({ protocol }) }),
    hsts: policy,
    responseChanges: compileChanges({ remove: [], set, add: {} }),
  });
}

test('responses lose what belongs to the backend connection and say through whom they came', () => {
  const headers = [
    'Content-Type',
    'a',
    'Connection',
    'X-Hop, content-length',
    'X-Hop',
    '1',
    'Set-Cookie',
    'x',
    'Set-Cookie',
    'y',
  ];
  headers.push('Keep-Alive', 'timeout=5', 'Content-Length', '3', 'Via', '1.0 cache', 'Trailer', 'X-Sum');
  const kept = ['Content-Type', 'a', 'Set-Cookie', 'x', 'Set-Cookie', 'y', 'Content-Length', '3', 'Trailer', 'X-Sum'];
  assert.deepEqual(answered(headers), [...kept, 'Via', '1.0 cache, 1.1 certplane']);
  const lower = kept.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
  assert.deepEqual(answered(headers, { version: '2' }), [...lower, 'via', '1.0 cache, 1.1 certplane']);
});

const said = (list: string[]): string[] => asLines(list).filter((line) => line.startsWith('strict'));

test('HSTS is said once over https, as the policy has it, and never over http', () => {
  const own = ['Strict-Transport-Security', 'max-age=1'];
  const policys = 'strict-transport-security: max-age=300; includeSubDomains; preload';
  assert.deepEqual(said(answered(own)), ['strict-transport-security: max-age=1']);
  assert.deepEqual(said(answered([], { policy: hsts })), [policys]);
  assert.deepEqual(said(answered([...own, ...own], { policy: hsts })), [policys]);
  assert.deepEqual(said(answered(own, { policy: hsts, set: { 'strict-transport-security': 'max-age=2' } })), [policys]);
  assert.deepEqual(said(answered(own, { set: { 'strict-transport-security': 'max-age=2' } })), [
    'strict-transport-security: max-age=2',
  ]);
  for (const policy of [undefined, hsts])
    assert.deepEqual(
      said(answered(own, { policy, protocol: 'http', set: { 'strict-transport-security': 'max-age=2' } })),
      [],
    );
});

test('trailers say nothing that frames, routes or authenticates a message', () => {
  const kept = ['grpc-status', '0', 'X-Sum', '1'];
  const dropped = ['Content-Length', 'Transfer-Encoding', 'Host', 'Authorization', 'X-Forwarded-For', 'Connection'];
  dropped.push('Trailer', 'X-Client-Cert-Verified', 'Set-Cookie', 'te', 'Via', 'Cookie', 'content_length');
  assert.deepEqual(passableTrailers([...dropped.flatMap((name) => [name, '9']), ...kept]), kept);
});

const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/);
const anyName = fc.oneof(
  token,
  fc.constantFrom(...claims, 'Connection', 'Content-Length', 'Cookie', 'TE', 'Via', 'Upgrade'),
);
const anyHeaders = fc
  .array(fc.tuple(anyName, fc.stringMatching(/^[!-~]{0,8}$/)), { maxLength: 12 })
  .map((pairs) => pairs.flat());

test('a name means the same however often and in whatever order names are looked up', () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 50 }), (names) => {
      for (const name of names) {
        assert.equal(headerName(name).lower, name.toLowerCase());
        assert.equal(headerName(name).request, headerName(name.toUpperCase()).request);
      }
    }),
  );
});

test('whatever a client sends, a backend gets each statement of ours once, and nothing of the connection', () => {
  fc.assert(
    fc.property(anyHeaders, (headers) => {
      const names = lines(headers).map((line) => line.slice(0, line.indexOf(':')));
      for (const once of [
        'x-forwarded-for',
        'x-forwarded-proto',
        'x-forwarded-host',
        'x-forwarded-port',
        'forwarded',
        'via',
      ])
        assert.equal(names.filter((name) => name === once).length, 1, once);
      assert.ok(names.filter((name) => name === 'cookie').length <= 1);
      for (const never of [
        'connection',
        'keep-alive',
        'transfer-encoding',
        'upgrade',
        'te',
        'host',
        'proxy',
        'x-real-ip',
      ])
        assert.ok(!names.includes(never), never);
    }),
  );
});

test('headers that mean nothing to a proxy go through in their order, in both directions', () => {
  const plain = token.filter((name) => {
    const { request, response } = headerName(name);
    return request === undefined && response === undefined;
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(plain, fc.stringMatching(/^[!-~]{0,8}$/)), { maxLength: 12 }), (pairs) => {
      const headers = pairs.flat();
      assert.deepEqual(
        requestHeaders(inboundWith({ headers }), undefined, undefined).headers.slice(0, headers.length),
        headers,
      );
      assert.deepEqual(answered(headers), [...headers, 'Via', '1.1 certplane']);
    }),
  );
});
