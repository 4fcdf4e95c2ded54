import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { automaticCertificates } from '../../src/config/desired.ts';
import { namesCover } from '../../src/core/names.ts';
import { loaded, problemsOf } from './loading.ts';

const local = 'issuers: { local: { ca: {} } }\n';

async function idsOf(yaml: string): Promise<string[]> {
  return (await loaded(local + yaml)).certificates.map(({ id }) => id);
}

test('each route host that no certificate covers gets one, sorted by id with the others', async () => {
  const ids = await idsOf(`certificates:
  shop: { dnsNames: [shop.example.com, "*.shop.example.com"] }
terminator:
  routes:
    - { hosts: [shop.example.com, www.shop.example.com, example.com], respond: {} }
    - { hosts: [example.com], path: /api, respond: {} }
    - { hosts: [deep.www.shop.example.com], respond: {} }
`);
  assert.deepEqual(ids, ['file/shop', 'route/deep.www.shop.example.com', 'route/example.com']);
});

test('a wildcard host gets a certificate with the wildcard name, which covers the hosts below it', async () => {
  const yaml = `terminator:
  routes:
    - { hosts: [a.apps.localhost], respond: {} }
    - { hosts: ["*.apps.localhost"], respond: {} }
`;
  assert.deepEqual(await idsOf(yaml), ['route/_wildcard.apps.localhost']);
  const [certificate] = (await loaded(local + yaml)).certificates;
  assert.deepEqual(certificate?.dnsNames, ['*.apps.localhost']);
  assert.equal(certificate?.name, '*.apps.localhost');
});

test('automaticCertificate: false leaves the certificate to a source', async () => {
  const ids = await idsOf(`terminator:
  routes:
    - { hosts: [a.example.com], respond: {}, automaticCertificate: false }
    - { hosts: [b.example.com], respond: {} }
`);
  assert.deepEqual(ids, ['route/b.example.com']);
});

test('admin hosts get a certificate and a route, unless they have a route of their own', async () => {
  const own = `admin: { hosts: [certs.example.com] }
terminator: { routes: [{ hosts: [certs.example.com], backend: "http://127.0.0.1:8484" }] }
`;
  assert.deepEqual(await idsOf(own), ['route/certs.example.com']);
  assert.equal((await loaded(local + own)).terminator?.routes.length, 1);
  const without = await loaded(`${local}admin: { hosts: [certs.example.com] }`);
  assert.deepEqual(without.certificates, [], 'no terminator, nothing to serve it with');
  const added = await loaded(`${local}admin: { hosts: [certs.example.com] }\nterminator: {}`);
  assert.deepEqual(added.terminator?.routes, [
    {
      name: 'admin page',
      hosts: ['certs.example.com'],
      path: { kind: 'prefix', value: '/' },
      action: { kind: 'proxy', backend: 'http://127.0.0.1:8484' },
      http: 'redirect',
    },
  ]);
  assert.deepEqual(added.terminator?.backends['http://127.0.0.1:8484']?.endpoints, [
    { host: '127.0.0.1', port: 8484, weight: 1 },
  ]);
  const partly = own.replace('backend:', 'methods: [PUT], backend:');
  assert.equal((await loaded(local + partly)).terminator?.routes.length, 2, 'for the other methods');
});

async function issuersOf(head: string): Promise<unknown> {
  const { certificates, issuers } = await loaded(`${head}\ncertificates: { a: { dnsNames: [a.example.com] } }`);
  return [certificates[0]?.issuers, issuers.map(({ name }) => name)];
}

test('default issuers: those written, else letsencrypt, else the only one of the file', async () => {
  assert.deepEqual(await issuersOf(''), [['letsencrypt'], ['letsencrypt']]);
  assert.deepEqual(await issuersOf('issuers: { local: { ca: {} } }'), [['local'], ['local']]);
  assert.deepEqual(await issuersOf('issuers: { a: { ca: {} }, letsencrypt: { selfSigned: {} } }'), [
    ['letsencrypt'],
    ['a', 'letsencrypt'],
  ]);
  assert.deepEqual(await issuersOf('defaults: { issuers: [letsencrypt, a] }\nissuers: { a: { ca: {} } }'), [
    ['letsencrypt', 'a'],
    ['a', 'letsencrypt'],
  ]);
});

test('what another issuer in the list can do is a warning, not an error', async () => {
  const lines = await problemsOf(`issuers: { local: { ca: {} } }
certificates: { a: { dnsNames: ["*.example.com"], issuers: [letsencrypt, local] } }
`);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^certplane\.yaml:2:33: warning: certificates\.a\.dnsNames\[0\]: A wildcard cannot/);
});

test('a public CA and a name it never issues for is a warning', async () => {
  for (const name of ['hello.localhost', 'nas.local', 'intranet']) {
    const lines = await problemsOf(`certificates: { a: { dnsNames: [${name}] } }`);
    assert.deepEqual(lines, [
      `certplane.yaml:1:17: warning: certificates.a: The public CA behind letsencrypt issues nothing for ${name}; ` +
        'write a private issuer, for example local: { ca: {} } under issuers.',
    ]);
  }
});

test('every host is covered once by something, and nothing is asked for twice', () => {
  const label = fc.constantFrom('a', 'b', '*');
  const name = fc.tuple(label, fc.constantFrom('x.test', 'y.test')).map((parts) => parts.join('.'));
  fc.assert(
    fc.property(fc.array(name), fc.array(name), (hosts, names) => {
      const automatic = automaticCertificates(
        hosts.map((host) => ({ host, path: [] })),
        names,
      );
      const made = automatic.map(({ spec }) => spec.dnsNames[0] as string);
      assert.equal(new Set(made).size, made.length);
      for (const host of hosts) assert.ok(namesCover([...names, ...made], host), host);
      for (const one of made) {
        const others = [...names, ...made.filter((other) => other !== one)];
        assert.ok(!namesCover(others, one), `${one} is covered already`);
      }
    }),
  );
});
