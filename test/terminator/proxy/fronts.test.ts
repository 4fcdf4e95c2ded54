import assert from 'node:assert/strict';
import test from 'node:test';
import type { Route } from '../../../src/core/route.ts';
import type { TlsPolicy } from '../../../src/core/tls-policy.ts';
import type { ClientIdentity, Inbound } from '../../../src/terminator/proxy/exchange.ts';
import { HttpsFront } from '../../../src/terminator/proxy/https-front.ts';
import { PlainFront, type Validity } from '../../../src/terminator/proxy/plain-front.ts';
import { compileRoutes } from '../../../src/terminator/routing/route-table.ts';
import { proxyRoute, respondRoute, routeTo } from '../support/harness.ts';
import { connectionWith, inboundWith, Seen, SentBody, tls, worldWith, type World } from './support.ts';

type Policies = Readonly<Record<string, Partial<TlsPolicy>>>;

function https(
  routes: readonly Route[],
  overrides: Partial<Inbound> = {},
  policies: Policies = {},
): { seen: Seen; world: World } {
  const world = worldWith(routes, {}, policies);
  const seen = new Seen();
  const { host = 'a.test' } = overrides;
  new HttpsFront(world.options).handle(inboundWith({ authority: host, ...overrides }), seen);
  return { seen, world };
}

const now = Date.now();
const good: Validity = { notBefore: now - 1_000, notAfter: now + 3_600_000 };

interface Plain {
  readonly policies?: Policies;
  readonly validity?: Validity | 'none';
  readonly httpsPort?: number | 'none';
}

async function http(
  routes: readonly Route[],
  overrides: Partial<Inbound> = {},
  { policies = {}, validity = good, httpsPort = 443 }: Plain = {},
): Promise<{ seen: Seen; world: World }> {
  const world = worldWith(routes, {}, policies);
  const seen = new Seen();
  const front = new PlainFront({
    ...world.options,
    validityOf: async () => await Promise.resolve(validity === 'none' ? undefined : validity),
    challenges: new Map([['token', 'token.thumb']]),
    httpsPort: () => (httpsPort === 'none' ? undefined : httpsPort),
  });
  const { host = 'a.test' } = overrides;
  const connection = connectionWith({ protocol: 'http', tls: undefined });
  await front.handle(inboundWith({ authority: host, connection, ...overrides }), seen);
  return { seen, world };
}

const redirect = { kind: 'redirect', status: 302, path: { kind: 'replace-prefix', value: '/new' } } as const;

test('what no route takes is answered with the reason, and its body is thrown away', () => {
  const routes = [
    { ...respondRoute('a.test', 'a', '/only'), methods: ['GET', 'PUT'] },
    respondRoute('a.test', 'x', '/only/deep'),
    { ...respondRoute('a.test', 'x'), hosts: ['bad.test'], path: { kind: 'regex', value: '/(a)\\1' } as const },
  ];
  const certificate = { connection: connectionWith({ tls: { ...tls, certificateNames: ['a.test', 'bad.test'] } }) };
  const cases: [Partial<Inbound>, number, string][] = [
    [{ host: 'unknown.test' }, 404, '404 Not Found: unknown host\n'],
    [{ target: '/other' }, 404, '404 Not Found: no route for this path\n'],
    [{ target: '/only', method: 'POST' }, 405, '405 Method Not Allowed: no route for this method\n'],
    [{ target: '/only//deep' }, 400, '400 Bad Request: the path can be read in two ways\n'],
    [{ target: '/%zz' }, 400, '400 Bad Request: malformed percent-encoding\n'],
    [{ target: '/../x' }, 400, '400 Bad Request: the path leads above the root\n'],
    [{ host: 'bad.test', ...certificate }, 503, '503 Service Unavailable: a route of this host cannot be used\n'],
  ];
  for (const [request, status, text] of cases) {
    const body = new SentBody();
    const { seen } = https(routes, { ...request, body });
    assert.deepEqual([seen.status, seen.body, seen.closing, body.discarded], [status, text, false, true], text);
    if (status === 405) assert.deepEqual(seen.values('allow'), ['GET, PUT']);
  }
  const long = https([{ ...routes[0]!, path: { kind: 'regex', value: '/x' } }], { target: `/${'x'.repeat(9_000)}` });
  assert.equal(long.seen.status, 414);
});

test('a route whose backend does not exist is answered 503, and only that one', () => {
  const world = worldWith([]);
  const table = compileRoutes([proxyRoute('a.test', 'gone', '/x'), proxyRoute('a.test', 'b')], { b: {} });
  const front = new HttpsFront({ ...world.options, routes: () => table });
  const seen = new Seen();
  front.handle(inboundWith({ target: '/x' }), seen);
  front.handle(inboundWith({ target: '/y' }), new Seen());
  assert.deepEqual([seen.status, world.calls.length], [503, 1]);
});

test('fixed answers and redirects: HEAD, empty statuses, HSTS and header changes', () => {
  const hsts = { maxAgeSeconds: 60, includeSubdomains: false, preload: false };
  const policies = { 'a.test': { hsts } };
  const changed = {
    ...respondRoute('a.test', 'hello'),
    responseHeaders: { remove: ['content-type'], set: { 'x-own': '1' }, add: {} },
  };
  const fixed = https([changed], {}, policies).seen;
  assert.deepEqual(
    [fixed.status, fixed.body, fixed.values('content-length'), fixed.values('content-type')],
    [200, 'hello', ['5'], []],
  );
  assert.deepEqual([fixed.values('x-own'), fixed.values('strict-transport-security')], [['1'], ['max-age=60']]);
  const head = https([changed], { method: 'HEAD' }).seen;
  assert.deepEqual([head.body, head.values('content-length')], ['', ['5']]);
  const empty = https([routeTo('a.test', { kind: 'respond', status: 204, body: 'x', headers: { 'X-A': '1' } })]).seen;
  assert.deepEqual([empty.status, empty.body, empty.headers], [204, '', ['x-a', '1']]);
  const led = https([routeTo('a.test', redirect, '/old')], { target: '/old/x/?q' }, policies).seen;
  assert.deepEqual([led.status, led.values('location')], [302, ['https://a.test/new/x/?q']]);
  assert.deepEqual(led.values('strict-transport-security'), ['max-age=60'], 'on our own answers, too');
  assert.deepEqual(https([], {}, policies).seen.values('strict-transport-security'), ['max-age=60']);
});

test('proxied requests: rewriting keeps the query, the host can be another one', () => {
  const action = { kind: 'proxy', backend: 'b', rewrite: redirect.path, host: 'inner.test' } as const;
  const { world } = https([routeTo('a.test', action, '/old')], { target: '/%6fld/%2e/x//?q=/../' });
  const [call] = world.calls;
  assert.equal(call?.request.target, '/new/x//?q=/../');
  assert.equal(call?.request.authority, 'inner.test');
  assert.deepEqual(call?.header('x-forwarded-host'), ['a.test']);
  assert.equal(
    https([proxyRoute('a.test', 'b')], { target: '*', method: 'OPTIONS' }).world.calls[0]?.request.target,
    '*',
  );
});

const via = (times: number): string[] => ['Via', Array.from({ length: times }, () => '1.1 certplane').join(', ')];

test('a request that comes through again and again is a loop', () => {
  assert.equal(https([proxyRoute('a.test', 'b')], { headers: via(7) }).world.calls.length, 1);
  const { seen, world } = https([proxyRoute('a.test', 'b')], { headers: via(8) });
  assert.deepEqual([seen.status, world.calls.length], [508, 0]);
});

const ask = (method: string, value: string) =>
  https([{ ...proxyRoute('a.test', 'b'), methods: ['OPTIONS', 'TRACE', 'GET'] }], {
    method,
    headers: ['Max-Forwards', value],
  });

test('a request that may go no further is answered here', () => {
  const options = ask('OPTIONS', '0');
  assert.deepEqual(
    [options.seen.status, options.seen.values('allow'), options.world.calls.length],
    [200, ['OPTIONS, TRACE, GET'], 0],
  );
  assert.deepEqual([ask('TRACE', '0').seen.status, ask('TRACE', '0').world.calls.length], [405, 0]);
  assert.equal(ask('GET', '0').world.calls.length, 1);
  assert.deepEqual(ask('OPTIONS', '1').world.calls[0]?.header('max-forwards'), ['0']);
});

const asksWho: Partial<TlsPolicy> = {
  clientCertificates: { mode: 'require', caFile: '/ca.pem', depth: 1, subjects: [] },
};
const asksWhoId = JSON.stringify(asksWho.clientCertificates);
const identity: ClientIdentity = {
  verified: true,
  subject: 'CN=z',
  issuer: 'CN=ca',
  serial: '1',
  fingerprint256: 'ab',
  names: [],
  certificate: Buffer.from('x'),
};

test('never (§5.13): a connection made for one host reaches another whose policy asks who the client is', () => {
  const routes = [proxyRoute('a.test', 'a'), proxyRoute('x.wide.test', 'b')];
  const policies = { 'x.wide.test': asksWho };
  // By SNI/Host mismatch (HTTP/1.1) and by coalescing (HTTP/2): the certificate covers both.
  for (const version of ['1.1', '2'] as const) {
    const { seen, world } = https(routes, { host: 'x.wide.test', version }, policies);
    assert.deepEqual([seen.status, world.calls.length, seen.closing], [421, 0, true]);
    assert.equal(https(routes, { version }, policies).world.calls.length, 1);
  }
  // And the reverse: what one host's backend learns of a client is not told another's.
  const known = { ...tls, policyId: asksWhoId, identity };
  const other = https(
    routes,
    { connection: connectionWith({ tls: { ...known, serverName: 'x.wide.test' } }) },
    policies,
  );
  assert.deepEqual([other.seen.status, other.world.calls.length], [421, 0]);
});

test('421 as well where the certificate does not cover the host, or nothing is known of the connection', () => {
  const routes = [
    proxyRoute('a.test', 'a'),
    proxyRoute('c.test', 'c'),
    proxyRoute('a.b.wide.test', 'd'),
    proxyRoute('*.wide.test', 'w'),
  ];
  assert.equal(https(routes, { host: 'c.test' }).seen.status, 421);
  assert.equal(https(routes, { host: 'x.wide.test' }).world.calls.length, 1);
  assert.equal(https(routes, { host: 'a.b.wide.test' }).seen.status, 421, 'a wildcard covers one label');
  const unknown = { connection: connectionWith({ tls: undefined }) };
  assert.equal(https(routes, unknown, { 'a.test': asksWho }).seen.status, 421);
  assert.equal(https(routes, unknown).world.calls.length, 1);
});

test('settings that change leave open connections their host, unless it is about who the client is', () => {
  const before = { connection: connectionWith({ tls: { ...tls, policyId: 'as it was' } }) };
  assert.equal(https([proxyRoute('a.test', 'a')], before).world.calls.length, 1);
  assert.equal(https([proxyRoute('a.test', 'a')], before, { 'a.test': asksWho }).seen.status, 421);
  const other = { connection: connectionWith({ tls: { ...tls, policyId: 'as it was', serverName: undefined } }) };
  assert.equal(https([proxyRoute('a.test', 'a')], other).seen.status, 421);
});

test('only where the policy asks for client certificates does a backend hear of them', () => {
  const routes = [proxyRoute('a.test', 'a')];
  const asked = { ...tls, policyId: asksWhoId };
  const told = (identityShown: ClientIdentity | undefined) =>
    https(
      routes,
      {
        connection: connectionWith({ tls: { ...asked, identity: identityShown } }),
        headers: ['X-Client-Cert-Verified', 'success'],
      },
      { 'a.test': asksWho },
    ).world.calls[0];
  assert.deepEqual(told(undefined)?.header('x-client-cert-verified'), ['none']);
  assert.deepEqual(told(identity)?.header('x-client-cert-verified'), ['success']);
  assert.deepEqual(told(identity)?.header('client-cert'), [':eA==:']);
  const failed = told({ ...identity, verified: false, reason: 'CERT_REVOKED' });
  assert.deepEqual(failed?.header('x-client-cert-verified'), ['failed:CERT_REVOKED']);
  assert.deepEqual(failed?.header('x-client-cert-subject'), []);
  const unasked = https(routes, {
    connection: connectionWith({ tls: { ...tls, identity } }),
    headers: ['X-Client-Cert-Verified', 'success'],
  });
  assert.deepEqual(unasked.world.calls[0]?.header('x-client-cert-verified'), []);
});

test('hosts of tcp and passthrough routes are not reached over HTTP', async () => {
  for (const kind of ['tcp', 'passthrough'] as const) {
    const routes = [routeTo('a.test', { kind, backend: 'b' })];
    assert.equal(https(routes).seen.status, 421);
    assert.equal((await http(routes)).seen.status, 404);
  }
});

test('http leads to https with 308 where a certificate that is valid now stands, and waits where not', async () => {
  const routes = [proxyRoute('a.test', 'b', '/app')];
  const led = (await http(routes, { target: '/%61pp/../x?q=1', authority: 'a.test:8080', method: 'POST' })).seen;
  assert.deepEqual([led.status, led.values('location')], [308, ['https://a.test/x?q=1']]);
  assert.deepEqual((await http(routes, {}, { httpsPort: 8443 })).seen.values('location'), ['https://a.test:8443/']);
  const waiting: [string, Plain][] = [
    ['no certificate for this host yet', { validity: 'none' }],
    ['no certificate for this host yet', { httpsPort: 'none' }],
    ['the certificate is not valid yet', { validity: { ...good, notBefore: now + 60_000 } }],
    ['the certificate has expired', { validity: { ...good, notAfter: now - 1 } }],
  ];
  for (const [reason, options] of waiting) {
    const { seen } = await http(routes, {}, options);
    assert.deepEqual([seen.status, seen.body], [503, `503 Service Unavailable: ${reason}\n`]);
    assert.equal(seen.values('retry-after').length, 1);
  }
  assert.equal((await http(routes, { host: 'unknown.test' })).seen.status, 404);
  assert.equal((await http(routes, { target: '/%' })).seen.status, 400);
  assert.equal((await http(routes, { upgrade: 'websocket' })).seen.status, 308);
  const twoWays = [...routes, proxyRoute('a.test', 'c')];
  assert.equal((await http(twoWays, { target: '//app' })).seen.status, 400);
});

test('a route can be served over http, but never one whose host asks for client certificates', async () => {
  const routes = [{ ...proxyRoute('a.test', 'b', '/open'), http: 'serve' as const }, proxyRoute('a.test', 'c')];
  const served = await http(routes, { target: '/open/x' });
  assert.equal(served.world.calls[0]?.backend, 'b');
  assert.deepEqual(served.world.calls[0]?.header('x-forwarded-proto'), ['http']);
  assert.equal((await http(routes, { target: '/closed' })).seen.status, 308);
  const asked = await http(routes, { target: '/open/x' }, { policies: { 'a.test': asksWho } });
  assert.deepEqual([asked.seen.status, asked.world.calls.length], [308, 0]);
});

test('a host that is served over http alone is not led to https for what it does not have', async () => {
  const routes = [{ ...proxyRoute('a.test', 'b', '/open'), http: 'serve' as const, methods: ['GET'] }];
  assert.equal((await http(routes, { target: '/other' })).seen.status, 404);
  assert.equal((await http(routes, { target: '/open', method: 'POST' })).seen.status, 405);
});

test('a trusted proxy that has ended TLS is not led to https again; anybody else who says so is', async () => {
  const routes = [proxyRoute('a.test', 'b')];
  const headers = ['X-Forwarded-Proto', 'https'];
  const plain = { protocol: 'http', tls: undefined } as const;
  const trusted = { headers, connection: connectionWith({ ...plain, trusted: true }) };
  assert.equal((await http(routes, trusted)).world.calls.length, 1);
  assert.equal((await http(routes, trusted, { policies: { 'a.test': asksWho } })).seen.status, 308);
  assert.equal((await http(routes, { headers })).seen.status, 308);
  assert.equal((await http(routes, { ...trusted, headers: [] })).seen.status, 308);
});

test('challenges are always answered here, whatever the host and its routes', async () => {
  const routes = [{ ...proxyRoute('a.test', 'b'), http: 'serve' as const }];
  const target = '/.well-known/acme-challenge/token';
  for (const host of ['a.test', 'unknown.test', '']) {
    const { seen } = await http(routes, { host, target });
    assert.deepEqual([seen.status, seen.body], [200, 'token.thumb']);
  }
  const missing = await http(routes, { target: '/.well-known/acme-challenge/other' });
  assert.deepEqual([missing.seen.status, missing.world.calls.length], [404, 0]);
  assert.equal((await http(routes, { target: '/x/../.well-known/acme-challenge/token' })).seen.status, 200);
});
