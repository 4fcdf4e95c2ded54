import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { backendDefaults } from '../../src/core/backend.ts';
import { defaultLimits, defaultTimeouts } from '../../src/core/terminator.ts';
import { tlsPresets } from '../../src/core/tls-policy.ts';
import { TestCa } from '../support/test-ca.ts';
import { load, loaded, problemsOf, type LoadOptions } from './loading.ts';

test('four lines are an HTTPS site with an automatic certificate', async () => {
  const { config, problems, dir } = await load(`terminator:
  routes:
    - hosts: [shop.example.com]
      backend: http://127.0.0.1:3000
`);
  assert.deepEqual(problems, []);
  assert.deepEqual(config, {
    file: join(dir, 'certplane.yaml'),
    dataDir: join(dir, 'data'),
    admin: { listen: { host: '127.0.0.1', port: 8484 }, hosts: [] },
    metrics: { listen: { host: '127.0.0.1', port: 9402 } },
    issuance: { concurrency: 8 },
    issuers: [
      {
        kind: 'acme',
        name: 'letsencrypt',
        directory: 'https://acme-v02.api.letsencrypt.org/directory',
        solvers: [{ kind: 'http01', listen: { host: '::', port: 80 } }],
      },
    ],
    certificates: [
      {
        id: 'route/shop.example.com',
        name: 'shop.example.com',
        dnsNames: ['shop.example.com'],
        issuers: ['letsencrypt'],
        key: { algorithm: 'ecdsa', size: 256 },
        outputs: [],
      },
    ],
    kubernetes: undefined,
    terminator: {
      workers: availableParallelism(),
      https: [{ host: '::', port: 443 }],
      http: [{ host: '::', port: 80 }],
      proxyProtocol: { https: false, http: false },
      trustedProxies: [],
      routes: [
        {
          name: 'shop.example.com/',
          hosts: ['shop.example.com'],
          path: { kind: 'prefix', value: '/' },
          action: { kind: 'proxy', backend: 'http://127.0.0.1:3000' },
          http: 'redirect',
        },
      ],
      backends: {
        'http://127.0.0.1:3000': { ...backendDefaults, endpoints: [{ host: '127.0.0.1', port: 3000, weight: 1 }] },
      },
      hosts: [],
      tls: tlsPresets.intermediate,
      sources: [],
      timeouts: defaultTimeouts,
      limits: defaultLimits,
      metrics: { host: '127.0.0.1', port: 9403 },
    },
  });
});

test('every option of the issue is taken as written', async () => {
  const config = await loaded(
    `dataDir: ~/certplane
admin: { listen: "127.0.0.1:1" , hosts: [Certs.example.com] }
metrics: { listen: ":2", terminator: false }
issuance: { concurrency: 3 }
defaults: { issuers: [local] }
issuers:
  le:
    acme:
      directory: https://127.0.0.1:14000/dir
      email: ops@example.com
      externalAccount: { keyId: kid, hmacKey: "\${HMAC}" }
      solvers:
        - { http01: { listen: 5002 }, dnsNames: [a.example.com], dnsZones: [example.org] }
        - http01: {}
  local: { ca: { lifetime: 1y } }
  quick: { selfSigned: {} }
certificates:
  shop:
    dnsNames: [Shop.Example.com., bücher.example]
    issuers: [quick, local]
    key: { algorithm: rsa, size: 3072 }
    lifetime: 1h30m
    outputs:
      - files: { directory: ./live/shop, owner: www-data, group: 33 }
        reloadCommand: [nginx, -s, reload]
        reloadTimeout: 5s
      - kubernetesSecret: { namespace: shop, name: shop-tls }
kubernetes: { kubeconfig: ~/.kube/config, context: prod }
terminator:
  workers: 2
  https: { listen: ["0.0.0.0:8443", "[::1]:8443"] }
  http: { listen: "localhost:8080" }
  defaultHost: shop.example.com
  sources:
    - files: { directory: certs }
    - kubernetesSecrets: { namespace: shop, selector: "app=shop" }
  routes:
    - hosts: [shop.example.com]
      path: /api/
      respond: { status: 404, body: "no\\n", headers: { X-Reason: none, content-type: text/html } }
`,
    { env: { HMAC: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ' } },
  );
  const base = config.file.replace('/certplane.yaml', '');
  assert.equal(config.dataDir, '/home/ops/certplane');
  assert.deepEqual(config.admin, { listen: { host: '127.0.0.1', port: 1 }, hosts: ['certs.example.com'] });
  assert.deepEqual(config.metrics, { listen: { host: '::', port: 2 } });
  assert.deepEqual(config.issuance, { concurrency: 3 });
  assert.deepEqual(config.issuers, [
    {
      kind: 'acme',
      name: 'le',
      directory: 'https://127.0.0.1:14000/dir',
      email: 'ops@example.com',
      externalAccount: { keyId: 'kid', hmacKey: 'c2VjcmV0LXNlY3JldC1zZWNyZXQ' },
      solvers: [
        {
          kind: 'http01',
          listen: { host: '::', port: 5002 },
          dnsNames: ['a.example.com'],
          dnsZones: ['example.org'],
        },
        { kind: 'http01', listen: { host: '::', port: 80 } },
      ],
    },
    { kind: 'ca', name: 'local', lifetimeMs: 31_536_000_000 },
    { kind: 'selfSigned', name: 'quick' },
  ]);
  assert.deepEqual(config.certificates, [
    {
      id: 'file/shop',
      name: 'shop',
      dnsNames: ['shop.example.com', 'xn--bcher-kva.example'],
      issuers: ['quick', 'local'],
      key: { algorithm: 'rsa', size: 3072 },
      lifetimeMs: 5_400_000,
      outputs: [
        {
          kind: 'files',
          id: `files:${base}/live/shop`,
          directory: `${base}/live/shop`,
          owner: 'www-data',
          group: '33',
          reloadCommand: ['nginx', '-s', 'reload'],
          reloadTimeoutMs: 5_000,
        },
        { kind: 'kubernetesSecret', id: 'secret:shop/shop-tls', namespace: 'shop', name: 'shop-tls' },
      ],
    },
    {
      id: 'route/certs.example.com',
      name: 'certs.example.com',
      dnsNames: ['certs.example.com'],
      issuers: ['local'],
      key: { algorithm: 'ecdsa', size: 256 },
      outputs: [],
    },
  ]);
  const kubernetes = { kubeconfig: '/home/ops/.kube/config', context: 'prod' };
  assert.deepEqual(config.kubernetes, kubernetes);
  assert.deepEqual(config.terminator, {
    workers: 2,
    https: [
      { host: '0.0.0.0', port: 8443 },
      { host: '::1', port: 8443 },
    ],
    http: [{ host: '127.0.0.1', port: 8080 }],
    defaultHost: 'shop.example.com',
    sources: [
      { kind: 'files', directory: `${base}/certs` },
      { kind: 'kubernetesSecrets', namespace: 'shop', selector: 'app=shop' },
    ],
    proxyProtocol: { https: false, http: false },
    trustedProxies: [],
    routes: [
      {
        name: 'shop.example.com/api',
        hosts: ['shop.example.com'],
        path: { kind: 'prefix', value: '/api' },
        action: {
          kind: 'respond',
          status: 404,
          body: 'no\n',
          headers: { 'content-type': 'text/html', 'x-reason': 'none' },
        },
        http: 'redirect',
      },
      {
        name: 'admin page',
        hosts: ['certs.example.com'],
        path: { kind: 'prefix', value: '/' },
        action: { kind: 'proxy', backend: 'http://127.0.0.1:1' },
        http: 'redirect',
      },
    ],
    backends: { 'http://127.0.0.1:1': { ...backendDefaults, endpoints: [{ host: '127.0.0.1', port: 1, weight: 1 }] } },
    hosts: [],
    tls: tlsPresets.intermediate,
    kubernetes,
    timeouts: defaultTimeouts,
    limits: defaultLimits,
  });
});

test('an empty terminator section is one with all defaults, and false turns a listener off', async () => {
  const all = await loaded('terminator: {}');
  assert.deepEqual(all.terminator?.https, [{ host: '::', port: 443 }]);
  assert.deepEqual(all.terminator?.http, [{ host: '::', port: 80 }]);
  const some = await loaded('metrics: false\nterminator: { http: false }');
  assert.deepEqual(some.terminator?.http, []);
  assert.equal(some.metrics, undefined);
  assert.equal(some.terminator?.metrics, undefined);
});

test('an empty file is a configuration without certificates, and says so', async () => {
  for (const text of ['', '# nothing\n', '---\n', 'null\n']) {
    const { config, problems } = await load(text);
    assert.deepEqual(config?.certificates, []);
    assert.equal(config?.terminator, undefined);
    assert.deepEqual(
      problems.map(({ severity, message }) => [severity, message]),
      [['warning', 'The file is empty: nothing is issued and nothing is served.']],
    );
  }
});

test('Kubernetes credentials are in-cluster where something needs them and none are named', async () => {
  const output = await loaded(`issuers: { local: { ca: {} } }
certificates: { a: { dnsNames: [a.example.com], outputs: [{ kubernetesSecret: { namespace: a, name: b } }] } }
`);
  assert.deepEqual(output.kubernetes, {});
  const source = await loaded('terminator: { sources: [{ kubernetesSecrets: {} }] }');
  assert.deepEqual(source.kubernetes, {});
  assert.deepEqual(source.terminator?.kubernetes, {});
  assert.equal((await loaded('terminator: {}')).kubernetes, undefined);
});

test('the data directory is relative to the file, its overrides to the working directory', async () => {
  const { config, dir } = await load('dataDir: state/here');
  assert.equal(config?.dataDir, join(dir, 'state/here'));
  assert.equal((await loaded('dataDir: state', { env: { CERTPLANE_DATA_DIR: 'var' } })).dataDir, resolve('var'));
  assert.equal((await loaded('dataDir: state', { env: { CERTPLANE_DATA_DIR: '' } })).dataDir.endsWith('/state'), true);
  const both = await loaded('', { env: { CERTPLANE_DATA_DIR: 'var' }, dataDir: 'option' });
  assert.equal(both.dataDir, resolve('option'));
});

test('a file that is not there, is a directory, or is too large is a problem, not an exception', async () => {
  const missing = await loadConfig({ file: '/nowhere/certplane.yaml', env: {} });
  assert.deepEqual(missing.problems, [
    { path: '', severity: 'error', message: 'There is no file /nowhere/certplane.yaml.' },
  ]);
  const directory = await loadConfig({ file: import.meta.dirname, env: {} });
  assert.match(directory.problems[0]?.message ?? '', /is not a file/);
  assert.match(
    (await load(`# ${'x'.repeat(33 * 1024 * 1024)}`)).problems[0]?.message ?? '',
    /larger than 33554432 bytes/,
  );
});

test('the CA bundle is read, and what is no certificate is refused', async () => {
  const text = 'issuers: { p: { acme: { directory: "https://127.0.0.1/dir", caBundle: roots.pem } } }\n';
  const { certPem } = await TestCa.create();
  const config = await loaded(text, { files: { 'roots.pem': `comment\n${certPem}` } });
  assert.deepEqual(
    config.issuers.map((issuer) => (issuer.kind === 'acme' ? issuer.caBundlePem : undefined)),
    [`${certPem.trim()}\n`],
  );
  const place = 'certplane.yaml:1:71: error: issuers.p.acme.caBundle: <dir>/roots.pem';
  assert.deepEqual(await problemsOf(text, { files: { 'roots.pem': 'nothing' } }), [
    `${place} has no CERTIFICATE block in it; write the path of a PEM file with the CA's roots.`,
  ]);
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  assert.deepEqual(await problemsOf(text, { files: { 'roots.pem': broken } }), [
    `${place} has a CERTIFICATE block that cannot be parsed; write the path of a PEM file with the CA's roots.`,
  ]);
});

function yaml(hmacKey: string): string {
  return `issuers: { p: { acme: { directory: letsencrypt, externalAccount: { keyId: k, hmacKey: ${hmacKey} } } } }\n`;
}

async function hmacKey(value: string, options: LoadOptions = {}): Promise<unknown> {
  const [issuer] = (await loaded(yaml(value), options)).issuers;
  return issuer?.kind === 'acme' ? issuer.externalAccount?.hmacKey : undefined;
}

test('never (§5.9): a secret comes from the environment or a file, and no message repeats it', async () => {
  assert.equal(await hmacKey('"${KEY}"', { env: { KEY: 'key-from-the-environment' } }), 'key-from-the-environment');
  assert.equal(
    await hmacKey('{ file: key.txt }', { files: { 'key.txt': 'key-from-the-file-0123\n' } }),
    'key-from-the-file-0123',
  );
  assert.equal(await hmacKey('literal-literal-literal'), 'literal-literal-literal');
  const wrong: [string, RegExp][] = [
    ['"${KEY}"', /The environment variable KEY is not set; set it, or write \{ file: path \}\./],
    ['"x${hunter2}"', /the variable alone; write \$\{ENV_NAME\} or \{ file: path \}\./],
    ['{ file: missing }', /There is no file <dir>\/missing\. Write the path of a file that holds the secret\./],
    ['{ path: hunter2 }', /has the one key "file"; write/],
    ['4711', /This is not a secret \(a number needs quotes\); write/],
    ['" "', /The secret is empty; write/],
    ['hunter2', /This is not a base64url key; write it exactly as the CA gave it/],
  ];
  for (const [value, expected] of wrong) {
    const lines = await problemsOf(yaml(value));
    assert.equal(lines.length, 1, value);
    assert.match(lines[0] ?? '', /^certplane\.yaml:1:\d+: error: issuers\.p\.acme\.externalAccount\.hmacKey: /);
    assert.match(lines[0] ?? '', expected);
    assert.doesNotMatch(lines.join('\n'), /hunter2|4711/);
  }
});
