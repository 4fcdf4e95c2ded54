/** The terminator's section as settings. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { backendDefaults } from '../../src/core/backend.ts';
import { defaultLimits, defaultTimeouts, type TerminatorSettings } from '../../src/core/terminator.ts';
import { tlsPresets } from '../../src/core/tls-policy.ts';
import { load, loaded } from './loading.ts';

const head = `issuers: { local: { ca: {} } }
certificates:
  shop: { dnsNames: [shop.example.com, "*.apps.example.com"] }
  gateway: { dnsNames: [gateway.example.com] }
`;

async function settingsOf(terminator: string): Promise<TerminatorSettings & { base: string }> {
  const { file, terminator: settings } = await loaded(`${head}terminator:\n${terminator}`);
  assert.ok(settings);
  return { ...settings, base: dirname(file) };
}

test('every option of the terminator is taken as written', async () => {
  const { base, metrics, workers, ...settings } = await settingsOf(`
  https: { listen: ":8443", proxyProtocol: true }
  http: { listen: ":8080", proxyProtocol: true }
  trustedProxies: [10.0.0.0/8, "fd00::/8", 192.0.2.7, 10.0.0.0/8]
  tls:
    preset: modern
    minVersion: "1.2"
    ciphers: [ECDHE-RSA-AES128-GCM-SHA256]
    curves: [X25519]
    sessionTickets: false
    alpn: [http/1.1]
    ocspStapling: false
    hsts: { maxAge: 2y, includeSubdomains: true, preload: true }
    clientCertificates: { mode: optional, ca: clients.pem, crl: ~/clients.crl, depth: 2, subjects: ["*.clients.example.com"] }
  hosts:
    - { names: [shop.example.com], certificate: shop, tls: { preset: modern, clientCertificates: false, hsts: false } }
  ticketKeys: { file: ticket.keys }
  defaultHost: shop.example.com
  backends:
    app:
      endpoints: ["10.0.0.1:80", { address: "10.0.0.2:80", weight: 3 }, "unix:run/app.sock"]
      protocol: http2
      tls: { verify: true, ca: [ca.pem, { issuer: local }], serverName: App.internal, clientCertificate: gateway, minVersion: 1.3 }
      balance: { hash: { cookie: session } }
      health: { path: /healthz, host: app.internal, interval: 5s, timeout: 1s, healthyAfter: 1, unhealthyAfter: 4, status: "200-299" }
      passiveHealth: { failures: 2, eject: 30s }
      slowStart: 20s
      retries: 3
      maxRequests: 100
      maxConnections: 10
      timeouts: { connect: 1s, firstByte: 2s, idle: 3s }
      maxIdle: 4
      proxyProtocol: v2
  routes:
    - name: app
      hosts: [shop.example.com]
      path: /api
      methods: [GET, HEAD, GET]
      headers: { X-Beta: true, x-a: 1 }
      backend: app
      rewrite: { stripPrefix: true }
      hostHeader: app.internal:8080
      requestHeaders: { set: { X-Set: a }, add: { x-add: b }, remove: [X-Gone, x-gone] }
      responseHeaders: { remove: [server] }
      http: serve
    - { hosts: [shop.example.com], redirect: { status: 302, scheme: https, host: www.example.com, port: 8443, prefix: /v2 } }
    - { hosts: [shop.example.com], path: { exact: /moved }, redirect: { path: /new } }
    - { hosts: [db.example.com], tcp: { backend: tcp://127.0.0.1:5432 } }
    - { hosts: [raw.example.com], passthrough: { backend: 10.0.0.9:443 } }
  limits: { header: 64KiB, headerCount: 50, body: 10MiB, connections: 1, connectionsPerClient: 2, handshakesPerSecond: 3, requestsPerConnection: 4, streamsPerConnection: 5, resetsPerMinute: 6 }
  timeouts: { handshake: 1s, header: 2s, body: 3s, idle: 4s, tunnelIdle: 5s, drain: 6s }
  accessLog: { format: combined, file: access.log, sample: 0.5 }
`);
  const clientCertificates = {
    mode: 'optional',
    caFile: `${base}/clients.pem`,
    crlFile: '/home/ops/clients.crl',
    depth: 2,
    subjects: ['*.clients.example.com'],
  };
  const tls = {
    minVersion: 'TLSv1.2',
    ciphers: ['ECDHE-RSA-AES128-GCM-SHA256'],
    curves: ['X25519'],
    sessionTickets: false,
    alpn: ['http/1.1'],
    ocspStapling: false,
  };
  assert.ok(workers >= 1 && metrics !== undefined);
  const general = {
    ...tls,
    hsts: { maxAgeSeconds: 63_072_000, includeSubdomains: true, preload: true },
    clientCertificates,
  };
  assert.deepEqual(settings, {
    https: [{ host: '::', port: 8443 }],
    http: [{ host: '::', port: 8080 }],
    proxyProtocol: { https: true, http: true },
    trustedProxies: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7/32'],
    tls: general,
    hosts: [
      {
        names: ['shop.example.com'],
        certificateId: 'file/shop',
        // The preset of a host replaces what all hosts have of what a preset says; the rest is inherited.
        tls: { ...tls, minVersion: 'TLSv1.3', ciphers: [], curves: tlsPresets.modern.curves },
      },
      { names: ['db.example.com'], tls: { ...general, alpn: [] } },
    ],
    ticketKeysFile: `${base}/ticket.keys`,
    defaultHost: 'shop.example.com',
    sources: [],
    backends: {
      app: {
        endpoints: [
          { host: '10.0.0.1', port: 80, weight: 1 },
          { host: '10.0.0.2', port: 80, weight: 3 },
          { unixPath: `${base}/run/app.sock`, weight: 1 },
        ],
        protocol: 'http2',
        tls: {
          verify: true,
          caFiles: [`${base}/ca.pem`, `${base}/data/ca/local.pem`],
          serverName: 'app.internal',
          clientCertificateId: 'file/gateway',
          minVersion: 'TLSv1.3',
        },
        balance: { kind: 'hash', key: 'cookie', name: 'session' },
        activeHealth: {
          path: '/healthz',
          host: 'app.internal',
          intervalMs: 5_000,
          timeoutMs: 1_000,
          healthyAfter: 1,
          unhealthyAfter: 4,
          status: [200, 299],
        },
        passiveHealth: { failures: 2, ejectMs: 30_000 },
        slowStartMs: 20_000,
        retries: 3,
        maxRequests: 100,
        maxConnections: 10,
        timeouts: { connectMs: 1_000, firstByteMs: 2_000, idleMs: 3_000 },
        maxIdle: 4,
        proxyProtocol: 'v2',
      },
      'tcp://127.0.0.1:5432': {
        ...backendDefaults,
        endpoints: [{ host: '127.0.0.1', port: 5432, weight: 1 }],
        protocol: 'tcp',
      },
      'tcp://10.0.0.9:443': {
        ...backendDefaults,
        endpoints: [{ host: '10.0.0.9', port: 443, weight: 1 }],
        protocol: 'tcp',
      },
    },
    routes: [
      {
        name: 'app',
        hosts: ['shop.example.com'],
        path: { kind: 'prefix', value: '/api' },
        methods: ['GET', 'HEAD'],
        headers: [{ name: 'x-a', value: '1' }, { name: 'x-beta' }],
        action: {
          kind: 'proxy',
          backend: 'app',
          rewrite: { kind: 'replace-prefix', value: '/' },
          host: 'app.internal:8080',
        },
        requestHeaders: { set: { 'x-set': 'a' }, add: { 'x-add': 'b' }, remove: ['x-gone'] },
        responseHeaders: { set: {}, add: {}, remove: ['server'] },
        http: 'serve',
      },
      {
        name: 'shop.example.com/',
        hosts: ['shop.example.com'],
        path: { kind: 'prefix', value: '/' },
        action: {
          kind: 'redirect',
          status: 302,
          scheme: 'https',
          host: 'www.example.com',
          port: 8443,
          path: { kind: 'replace-prefix', value: '/v2' },
        },
        http: 'redirect',
      },
      {
        name: 'shop.example.com/moved',
        hosts: ['shop.example.com'],
        path: { kind: 'exact', value: '/moved' },
        action: { kind: 'redirect', status: 308, path: { kind: 'replace-path', value: '/new' } },
        http: 'redirect',
      },
      {
        name: 'db.example.com/',
        hosts: ['db.example.com'],
        path: { kind: 'prefix', value: '/' },
        action: { kind: 'tcp', backend: 'tcp://127.0.0.1:5432' },
        http: 'redirect',
      },
      {
        name: 'raw.example.com/',
        hosts: ['raw.example.com'],
        path: { kind: 'prefix', value: '/' },
        action: { kind: 'passthrough', backend: 'tcp://10.0.0.9:443' },
        http: 'redirect',
      },
    ],
    limits: {
      headerBytes: 65_536,
      headerCount: 50,
      bodyBytes: 10_485_760,
      connections: 1,
      connectionsPerClient: 2,
      handshakesPerSecond: 3,
      requestsPerConnection: 4,
      streamsPerConnection: 5,
      resetsPerMinute: 6,
    },
    timeouts: {
      handshakeMs: 1_000,
      headerMs: 2_000,
      bodyMs: 3_000,
      idleMs: 4_000,
      tunnelIdleMs: 5_000,
      drainMs: 6_000,
    },
    accessLog: { format: 'combined', file: `${base}/access.log`, sample: 0.5 },
  });
});

test('settings survive the feed: they are plain data', async () => {
  const settings = await settingsOf('  routes: [{ hosts: [a.example.com], backend: https://app.internal }]');
  assert.deepEqual(JSON.parse(JSON.stringify(settings)), settings);
});

test('what is not written is the default of the contract', async () => {
  const settings = await settingsOf(`
  backends: { app: { endpoints: ["http://127.0.0.1:1"], health: {}, passiveHealth: false } }
  accessLog: {}
  routes: [{ hosts: [a.example.com], backend: app }]
`);
  assert.deepEqual(settings.limits, defaultLimits);
  assert.deepEqual(settings.timeouts, defaultTimeouts);
  assert.deepEqual(settings.tls, tlsPresets.intermediate);
  assert.deepEqual(settings.accessLog, { format: 'json', sample: 1 });
  assert.deepEqual(settings.backends['app'], {
    ...backendDefaults,
    endpoints: [{ host: '127.0.0.1', port: 1, weight: 1 }],
    passiveHealth: { failures: 0, ejectMs: 10_000 },
    activeHealth: { intervalMs: 10_000, timeoutMs: 5_000, healthyAfter: 2, unhealthyAfter: 3, status: [200, 399] },
  });
});

test('the scheme of a URL says protocol and TLS, which is verified', async () => {
  const tls = { verify: true, caFiles: [], minVersion: 'TLSv1.2' };
  const meanings: [string, object][] = [
    ['http://a.internal', { protocol: 'http1', endpoints: [{ host: 'a.internal', port: 80, weight: 1 }] }],
    ['https://a.internal', { protocol: 'http1', tls, endpoints: [{ host: 'a.internal', port: 443, weight: 1 }] }],
    ['h2c://a.internal:81', { protocol: 'http2', endpoints: [{ host: 'a.internal', port: 81, weight: 1 }] }],
    ['h2://a.internal', { protocol: 'http2', tls, endpoints: [{ host: 'a.internal', port: 443, weight: 1 }] }],
    ['http://[::1]:81', { protocol: 'http1', endpoints: [{ host: '::1', port: 81, weight: 1 }] }],
    ['unix:/run/a.sock', { protocol: 'http1', endpoints: [{ unixPath: '/run/a.sock', weight: 1 }] }],
  ];
  for (const [url, meaning] of meanings) {
    const settings = await settingsOf(`  routes: [{ hosts: [a.example.com], backend: "${url}" }]`);
    assert.deepEqual(settings.backends, { [url]: { ...backendDefaults, ...meaning } }, url);
    assert.deepEqual(settings.routes[0]?.action, { kind: 'proxy', backend: url });
  }
  const both = await settingsOf(`
  backends: { app: { endpoints: ["https://a.internal"], protocol: http2 }, h2c: { endpoints: ["http://a.internal"], protocol: http2 } }
  routes: [{ hosts: [a.example.com], backend: app }, { hosts: [b.example.com], backend: h2c }]
`);
  assert.deepEqual(both.backends['app']?.tls, tls);
  assert.equal(both.backends['app']?.protocol, 'http2');
  assert.equal(both.backends['h2c']?.tls, undefined);
});

test('backends written inside routes are named by their URL, or by the route', async () => {
  const settings = await settingsOf(`
  routes:
    - { hosts: [a.example.com], backend: HTTP://App.Internal:80/ }
    - { hosts: [b.example.com], backend: http://app.internal }
    - { hosts: [c.example.com], backend: { endpoints: ["http://app.internal"], retries: 0 } }
    - { hosts: [c.example.com], path: /x, name: x, backend: { endpoints: ["unix:/run/x.sock"] } }
    - { hosts: [d.example.com], tcp: { backend: "unix:/run/x.sock" } }
    - { hosts: [e.example.com], tcp: { backend: { endpoints: ["127.0.0.1:1"], protocol: tcp, tls: {} } } }
`);
  assert.deepEqual(Object.keys(settings.backends), [
    'http://app.internal',
    'route/c.example.com/',
    'route/x',
    'tcp+unix:/run/x.sock',
    'route/e.example.com/',
  ]);
  assert.equal(settings.backends['tcp+unix:/run/x.sock']?.protocol, 'tcp');
  assert.equal(settings.backends['route/e.example.com/']?.tls?.verify, true);
});

test('routes without a name are told apart', async () => {
  const settings = await settingsOf(`
  routes:
    - { hosts: [a.example.com, b.example.com], methods: [GET], respond: {} }
    - { hosts: [a.example.com], methods: [PUT], respond: {} }
    - { hosts: [a.example.com], path: { exact: / }, respond: {} }
    - { hosts: [a.example.com], headers: { x-a: "1" }, respond: {} }
    - { hosts: [a.example.com], headers: { x-a: "2" }, respond: {} }
`);
  assert.deepEqual(
    settings.routes.map(({ name }) => name),
    ['a.example.com/', 'a.example.com/ #2', 'a.example.com/ #3', 'a.example.com/ #4', 'a.example.com/ #5'],
  );
});

test('a host without TLS options of its own has those of the wildcard above it, else those of all hosts', async () => {
  const settings = await settingsOf(`
  tls: { alpn: [http/1.1] }
  hosts:
    - { names: [one.apps.example.com, shop.example.com], certificate: shop }
    - { names: ["*.apps.example.com"], tls: { clientCertificates: { ca: /clients.pem } } }
  routes: [{ hosts: ["*.apps.example.com", shop.example.com], respond: {} }]
`);
  const wildcard = {
    ...tlsPresets.intermediate,
    alpn: ['http/1.1'],
    clientCertificates: { mode: 'require', caFile: '/clients.pem', depth: 1, subjects: [] },
  };
  assert.deepEqual(settings.hosts, [
    { names: ['one.apps.example.com'], certificateId: 'file/shop', tls: wildcard },
    { names: ['shop.example.com'], certificateId: 'file/shop' },
    { names: ['*.apps.example.com'], tls: wildcard },
  ]);
});

test('TLS 1.2 always has cipher suites, also below the modern preset', async () => {
  const { tls } = await settingsOf('  tls: { preset: modern, minVersion: "1.2" }');
  assert.deepEqual(tls.ciphers, tlsPresets.intermediate.ciphers);
  const modern = await settingsOf('  tls: { preset: modern }');
  assert.deepEqual(modern.tls, tlsPresets.modern);
});

test('no certificate is ordered for hosts whose TLS goes through, and one for every other host', async () => {
  const { config, problems } = await load(`issuers: { local: { ca: {} } }
terminator:
  routes:
    - { hosts: [raw.example.com], passthrough: { backend: tcp://10.0.0.9:443 } }
    - { hosts: [db.example.com], tcp: { backend: tcp://10.0.0.9:5432 } }
    - { hosts: [own.example.com], automaticCertificate: false, respond: {} }
`);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    config?.certificates.map(({ id }) => id),
    ['route/db.example.com'],
  );
});

test('no protocol is negotiated for the hosts of tcp routes, whatever else is said of them', async () => {
  const { hosts } = await settingsOf(`
  hosts:
    - { names: [shop.example.com, db.example.com], tls: { preset: modern } }
  routes:
    - { hosts: [shop.example.com], backend: "http://127.0.0.1:1" }
    - { hosts: [db.example.com, queue.example.com], tcp: { backend: "tcp://127.0.0.1:2" } }
`);
  const found = hosts.map(({ names, tls }) => [names, tls?.minVersion, tls?.alpn]);
  assert.deepEqual(found, [
    [['shop.example.com'], 'TLSv1.3', ['h2', 'http/1.1']],
    [['db.example.com'], 'TLSv1.3', []],
    [['queue.example.com'], 'TLSv1.2', []],
  ]);
});

test('a host of its own below a tcp wildcard is spoken HTTP to as any other', async () => {
  const { terminator } = await loaded(`
admin: { hosts: [admin.apps.example.com] }
certificates: { bound: { dnsNames: [bound.apps.example.com] } }
terminator:
  hosts:
    - { names: [bound.apps.example.com], certificate: bound }
  routes:
    - { hosts: ['*.apps.example.com'], tcp: { backend: 'tcp://127.0.0.1:143' }, automaticCertificate: false }
    - { hosts: [web.apps.example.com, bound.apps.example.com, www.example.com], backend: 'http://127.0.0.1:3000' }
`);
  const { tls: general, hosts } = terminator ?? assert.fail('there is no terminator');
  const policies = new Map(hosts.flatMap(({ names, tls }) => names.map((name) => [name, tls] as const)));
  assert.deepEqual(policies.get('*.apps.example.com'), { ...general, alpn: [] });
  for (const name of ['web.apps.example.com', 'bound.apps.example.com', 'admin.apps.example.com'])
    assert.deepEqual(policies.get(name), general, name);
  assert.equal(policies.has('www.example.com'), false);
});

test('a certificate of a source can be bound by its id, and its hosts get none of their own', async () => {
  const { terminator, certificates } = await loaded(`
terminator:
  sources:
    - files: { directory: /etc/certs }
    - kubernetesSecrets: { namespace: shop }
  hosts:
    - { names: ['*.shop.example.com'], certificate: seen/files/shop wildcard.pem }
    - { names: [api.example.com], certificate: seen/secrets/shop/api-tls }
  routes:
    - { hosts: [a.shop.example.com, api.example.com, own.example.com], backend: 'http://127.0.0.1:3000' }
`);
  assert.deepEqual(terminator?.hosts, [
    { names: ['*.shop.example.com'], certificateId: 'seen/files/shop wildcard.pem' },
    { names: ['api.example.com'], certificateId: 'seen/secrets/shop/api-tls' },
  ]);
  assert.deepEqual(
    certificates.map(({ id }) => id),
    ['route/own.example.com'],
  );
});
