import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import fc from 'fast-check';
import { readBundle, readChain, splitChain } from '../../src/core/bundle.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { IssuanceRequest, Issuer } from '../../src/core/ports/issuer.ts';
import { createCaIssuer, type CaIssuer } from '../../src/issue/ca-issuer.ts';
import { createSelfSignedIssuer } from '../../src/issue/self-signed-issuer.ts';
import { issuerContract } from '../contract/issuer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { tempDir } from '../support/tempdir.ts';
import { toolOrSkip } from '../support/tools.ts';
import { drive, failed, issued } from './support/drive.ts';

const minute = 60_000;
const day = 86_400_000;
const signal = new AbortController().signal;

interface Setting {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly create: (lifetimeMs?: number) => CaIssuer;
}

function setting(): Setting {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const create = (lifetimeMs = 3650 * day): CaIssuer =>
    createCaIssuer({ config: { kind: 'ca', name: 'local', lifetimeMs }, store, clock, log: silentLog });
  return { clock, store, create };
}

const request = (overrides: Partial<IssuanceRequest> = {}): IssuanceRequest => ({
  certificateId: 'file/shop',
  dnsNames: ['shop.example.com', '*.apps.example.com'],
  key: { algorithm: 'ecdsa', size: 256 },
  ...overrides,
});

async function issue(issuer: Issuer, clock: ManualClock, overrides: Partial<IssuanceRequest> = {}) {
  return issued(await drive(issuer, request(overrides), { wait: async (until) => await clock.jumpTo(until) }));
}

issuerContract('ca', async () => {
  const { clock, create } = setting();
  return {
    create,
    request,
    wait: async (until) => await clock.jumpTo(until),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

issuerContract('selfSigned', async () => {
  const clock = new ManualClock();
  return {
    create: () => createSelfSignedIssuer({ config: { kind: 'selfSigned', name: 'quick' }, clock }),
    request,
    wait: async (until) => await clock.jumpTo(until),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

test('openssl verifies a certificate of the private CA against its root alone, and a self-signed one against itself', async (t) => {
  const openssl = await toolOrSkip(t, 'openssl');
  if (!openssl) return;
  await using directory = await tempDir();
  const { store } = setting();
  const clock = new ManualClock(Date.now()); // openssl judges by the real time
  const ca = createCaIssuer({
    config: { kind: 'ca', name: 'local', lifetimeMs: 3650 * day },
    store,
    clock,
    log: silentLog,
  });
  const quick = createSelfSignedIssuer({ config: { kind: 'selfSigned', name: 'quick' }, clock });
  for (const issuer of [ca, quick]) {
    const { bundle, caPem } = await issue(issuer, clock);
    const [leaf = '', ...chain] = splitChain(bundle.chainPem);
    await writeFile(directory.join('leaf.pem'), leaf);
    await writeFile(directory.join('chain.pem'), chain.join('') || leaf);
    await writeFile(directory.join('root.pem'), caPem ?? '');
    const args = ['-CAfile', directory.join('root.pem'), '-untrusted', directory.join('chain.pem')];
    const purpose = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'x.apps.example.com'];
    const strict = issuer === ca ? purpose : purpose.slice(1);
    const result = await openssl.run(['verify', ...args, ...strict, directory.join('leaf.pem')]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
  }
});

const keyId = (of: string, name: string): string =>
  new RegExp(`${name}: ?\\n(?:keyid:)?([0-9A-F:]+)`).exec(of)?.[1] ?? name;

test('the certificates of the private CA carry the extensions they should, critical where RFC 5280 wants it', async (t) => {
  const openssl = await toolOrSkip(t, 'openssl');
  if (!openssl) return;
  const { clock, create } = setting();
  const text = async (pem: string): Promise<string> =>
    (await openssl.run(['x509', '-noout', '-text'], { input: pem })).stdout.replaceAll(/\n\s+/g, '\n');
  const { bundle, caPem } = await issue(create(), clock);
  const [leafPem = '', issuingPem = ''] = splitChain(bundle.chainPem);
  const [leaf, issuing, root] = [await text(leafPem), await text(issuingPem), await text(caPem ?? '')];

  assert.equal(splitChain(bundle.chainPem).length, 2, 'the root is not delivered');
  assert.match(root, /Basic Constraints: critical\nCA:TRUE, pathlen:1\n/);
  assert.match(root, /Key Usage: critical\nCertificate Sign, CRL Sign\n/);
  assert.match(issuing, /Basic Constraints: critical\nCA:TRUE, pathlen:0\n/);
  assert.match(issuing, /Key Usage: critical\nCertificate Sign, CRL Sign\n/);
  assert.match(leaf, /Basic Constraints: critical\nCA:FALSE\n/);
  assert.match(leaf, /Key Usage: critical\nDigital Signature\n/);
  assert.match(leaf, /Extended Key Usage: ?\nTLS Web Server Authentication\n/);
  assert.match(leaf, /Subject Alternative Name: ?\nDNS:shop.example.com, DNS:\*\.apps\.example\.com\n/);
  const [subject, authority] = ['X509v3 Subject Key Identifier', 'X509v3 Authority Key Identifier'];
  assert.equal(keyId(leaf, authority), keyId(issuing, subject));
  assert.equal(keyId(issuing, authority), keyId(root, subject));

  const long = `${'a'.repeat(60)}.example.com`;
  const nameless = await issue(create(), clock, { dnsNames: [long] });
  assert.match(
    await text(nameless.bundle.chainPem),
    /Subject: ?\n[^]*Subject Alternative Name: critical\nDNS:a{60}\.example\.com\n/,
  );
});

test('serial numbers are positive, 128 bits long and different', async () => {
  const { clock, create } = setting();
  const issuer = create();
  const serials = new Set<string>();
  for (let i = 0; i < 20; i += 1) {
    for (const pem of splitChain((await issue(issuer, clock)).bundle.chainPem))
      serials.add(new X509Certificate(pem).serialNumber);
  }
  assert.equal(serials.size, 21, '20 leaves and one issuing certificate');
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
});

test('a certificate lasts exactly as long as asked for, backdated by min(5 min, lifetime/10), and never past what signed it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 10, max: 400 * 24 * 60 }),
      fc.integer({ min: 60, max: 4000 * 24 * 60 }),
      async (lifetimeMinutes, rootMinutes) => {
        const { clock, create } = setting();
        const [lifetimeMs, rootMs] = [lifetimeMinutes * minute, rootMinutes * minute];
        const end = await drive(create(rootMs), request({ lifetimeMs }), { wait: async () => undefined });
        if (lifetimeMs > rootMs) {
          const { error, scope } = failed(end);
          assert.equal(error.code, 'issuer.unsupported');
          assert.equal(scope, 'certificate');
          return;
        }
        const { bundle, caPem } = issued(end);
        const [leaf, issuing] = splitChain(bundle.chainPem).map(readChain);
        const root = readChain(caPem ?? '');
        assert.ok(leaf && issuing);
        const backdate = clock.now() - leaf.notBefore;
        assert.ok(Math.abs(backdate - Math.min(5 * minute, lifetimeMs / 10)) < 1000);
        assert.ok(leaf.notAfter <= issuing.notAfter && issuing.notAfter <= root.notAfter);
        if (leaf.notBefore + lifetimeMs <= root.notAfter) assert.equal(leaf.notAfter - leaf.notBefore, lifetimeMs);
      },
    ),
    { numRuns: 40 },
  );
});

test('the issuing certificate is renewed, and the root is not, before a leaf could outlive it', async () => {
  const { clock, create } = setting();
  const first = await issue(create(1000 * day), clock, { lifetimeMs: 90 * day });
  const issuings = new Set<string>();
  for (let at = 0; at < 900; at += 30) {
    await clock.advance(30 * day);
    const { bundle, caPem } = await issue(create(1000 * day), clock, { lifetimeMs: 90 * day });
    const [leaf, issuing] = splitChain(bundle.chainPem).map(readChain);
    assert.ok(leaf && issuing && leaf.notAfter <= issuing.notAfter);
    assert.equal(caPem, first.caPem);
    assert.ok(
      new X509Certificate(splitChain(bundle.chainPem)[1] ?? '').verify(new X509Certificate(caPem ?? '').publicKey),
    );
    issuings.add(issuing.fingerprint256);
  }
  assert.ok(issuings.size >= 2 && issuings.size <= 4, `${issuings.size} issuing certificates in 900 of 1000 days`);
});

test('a private CA whose root has ended says so and what to do, and signs nothing', async () => {
  const { clock, create } = setting();
  await issue(create(10 * day), clock, { lifetimeMs: day });
  await clock.advance(11 * day);
  const { error, scope } = failed(
    await drive(create(10 * day), request({ lifetimeMs: day }), { wait: async () => undefined }),
  );
  assert.equal(error.code, 'certificate.expired');
  assert.equal(scope, 'issuer');
  assert.match(error.message, /root of the private CA local ended .*new name/);
});

test('never (§5.4): a private CA is made once, whoever comes first, and found again after a restart', async () => {
  const { clock, store, create } = setting();
  assert.equal((await create().describe(signal)).rootPem, undefined, 'describing makes nothing');
  const roots = await Promise.all([create().rootPem(signal), create().rootPem(signal), create().rootPem(signal)]);
  assert.equal(new Set(roots).size, 1);
  assert.equal(store.puts.get('authority'), 1);
  assert.equal((await issue(create(), clock)).caPem, roots[0]);
  assert.equal((await create().describe(signal)).rootPem, roots[0]);
});

test('a private CA whose store cannot be written fails for everybody, and goes on when it can', async () => {
  const { clock, store, create } = setting();
  store.beforeWrite = () => {
    throw new CertplaneError('store.unavailable', 'The disk is full.');
  };
  const { error, scope } = failed(await drive(create(), request(), { wait: async () => undefined }));
  assert.equal(error.code, 'store.unavailable');
  assert.equal(scope, 'issuer');
  store.beforeWrite = undefined;
  await issue(create(), clock);
});

test('a self-signed certificate is its own trust anchor', async () => {
  const clock = new ManualClock();
  const issuer = createSelfSignedIssuer({ config: { kind: 'selfSigned', name: 'quick' }, clock });
  const { bundle, caPem } = await issue(issuer, clock, { lifetimeMs: 15 * minute });
  assert.equal(caPem, bundle.chainPem);
  const facts = readBundle(bundle, ['shop.example.com']);
  assert.equal(facts.chainComplete, true);
  assert.equal(facts.notAfter - facts.notBefore, 15 * minute);
});
