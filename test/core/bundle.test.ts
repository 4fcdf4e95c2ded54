import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { findPrivateKey, maxBundleBytes, readBundle, readChain, splitChain } from '../../src/core/bundle.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import { judge, type Candidate } from '../../src/core/policy.ts';
import { TestCa } from '../support/test-ca.ts';

const ca = await TestCa.create();
const shop = await ca.issue({ dnsNames: ['shop.example', '*.apps.example'], ipAddresses: ['127.0.0.1'] });
const other = await ca.issue({ dnsNames: ['other.example'] });

const code = (expected: string) => (error: unknown) => error instanceof CertplaneError && error.code === expected;

test('facts of a bundle are what OpenSSL says of its leaf', () => {
  const facts = readBundle({ chainPem: shop.fullchainPem, keyPem: shop.keyPem }, ['shop.example', 'x.apps.example']);
  const leaf = new X509Certificate(shop.certPem);
  assert.deepEqual(facts.names, ['shop.example', '*.apps.example', '127.0.0.1']);
  assert.equal(facts.serial, shop.serial);
  assert.equal(facts.fingerprint256, createHash('sha256').update(leaf.raw).digest('hex'));
  assert.equal(facts.notAfter, Date.parse(leaf.validTo));
  assert.equal(facts.chainLength, 2);
  assert.equal(facts.chainComplete, true);
  assert.equal(facts.keyAlgorithm, 'ECDSA P-256');
});

test('a chain is complete only when each certificate is signed by the next', () => {
  assert.equal(readChain(shop.certPem).chainComplete, false, 'a leaf alone');
  assert.equal(readChain(ca.certPem).chainComplete, true, 'self-signed alone');
  assert.equal(readChain(shop.certPem + other.certPem).chainComplete, false, 'a stranger as second');
});

test('never (§5.1): what does not parse, match its key or carry the name is refused, each by its code', () => {
  const chainPem = shop.fullchainPem;
  assert.throws(() => readBundle({ chainPem, keyPem: other.keyPem }), code('certificate.key-mismatch'));
  assert.throws(() => readBundle({ chainPem, keyPem: 'no key' }), code('certificate.unparsable'));
  assert.throws(() => readBundle({ chainPem: '', keyPem: shop.keyPem }), code('certificate.unparsable'));
  assert.throws(
    () => readBundle({ chainPem: chainPem.replace(/[A-Za-z0-9]{40}/, 'A'.repeat(40)), keyPem: shop.keyPem }),
    CertplaneError,
  );
  assert.throws(
    () => readBundle({ chainPem, keyPem: shop.keyPem }, ['a.b.apps.example']),
    code('certificate.name-missing'),
  );
  assert.throws(() => splitChain('x'.repeat(maxBundleBytes + 1)), code('certificate.unparsable'));
});

test('never (§5.9): an error about a bundle does not carry its key', () => {
  const body = shop.keyPem.split('\n')[1] as string;
  try {
    readBundle({ chainPem: other.fullchainPem, keyPem: shop.keyPem });
    assert.fail('the mismatch was accepted');
  } catch (error) {
    assert.ok(!JSON.stringify([(error as Error).message, (error as Error).stack]).includes(body));
  }
});

test('the private key is found wherever it stands among certificates', () => {
  assert.equal(findPrivateKey(shop.fullchainPem + shop.keyPem), shop.keyPem);
  assert.equal(findPrivateKey(shop.fullchainPem), undefined);
});

test('reading arbitrary text throws our error or returns facts, never anything else', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 2_000 }), (text) => {
      assert.throws(() => readChain(`-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`), CertplaneError);
    }),
    { numRuns: 200 },
  );
});

const now = Date.parse('2026-06-01T00:00:00Z');
const good: Candidate = { names: ['a.example'], notBefore: now - 1000, notAfter: now + 1000, chainComplete: true };

test('never (§5.1): a working certificate is not replaced by a worse one', () => {
  const worse: [string, Candidate][] = [
    ['expired', { ...good, notAfter: now - 1 }],
    ['chain incomplete', { ...good, chainComplete: false, notAfter: now + 99_000 }],
    ['name not covered', { ...good, names: ['b.example'], notAfter: now + 99_000 }],
    ['ends earlier', { ...good, notAfter: now + 999 }],
  ];
  for (const [what, candidate] of worse)
    assert.equal(judge(candidate, good, { names: ['a.example'], now }).action, 'keep', what);
});

test('a certificate from the future is held until its notBefore, unless nothing valid is there', () => {
  const future = { ...good, notBefore: now + 500, notAfter: now + 9_000 };
  assert.deepEqual(judge(future, good, { names: ['a.example'], now }), {
    action: 'hold',
    until: now + 500,
    message: 'It is not valid yet and is held until it is.',
  });
  assert.equal(judge(future, { ...good, notAfter: now - 1 }, { names: ['a.example'], now }).action, 'use');
});

test('of two certificates one always wins, and the better one wins from either side', () => {
  const arbitrary = fc.record({
    names: fc.subarray(['a.example', 'b.example']),
    notBefore: fc.constant(now - 1000),
    notAfter: fc.integer({ min: now - 500, max: now + 500 }),
    chainComplete: fc.boolean(),
  });
  fc.assert(
    fc.property(arbitrary, arbitrary, (a, b) => {
      const context = { names: ['a.example', 'b.example'], now };
      const ab = judge(a, b, context).action;
      const ba = judge(b, a, context).action;
      assert.ok(ab === 'use' || ba === 'use');
      if (ab === 'keep') assert.equal(ba, 'use');
    }),
  );
});

test('never (§5.1): what looks like a name inside another kind of subject alternative name is none', () => {
  // openssl req -x509 with subjectAltName = DNS:real.test, and a dirName whose common name is "x, DNS:evil.test".
  const disguised = `-----BEGIN CERTIFICATE-----
MIIBgjCCASigAwIBAgIUJUa+IZwBwn9vE7X/Aq3SqR5XJfgwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJcmVhbC50ZXN0MCAXDTI2MTEyMjEwMzYyNloYDzIxMjYxMDI5
MTAzNjI2WjAUMRIwEAYDVQQDDAlyZWFsLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASE7OtfjmVCjxsWUf2XeKqe7clKK9+vxOVJyIGuyKK0ipmwG6yH0WFm
twO1lcweMapiBiWomx1US/r2Bx1Kqqyzo1YwVDAzBgNVHREELDAqgglyZWFsLnRl
c3SkHTAbMRkwFwYDVQQDDBB4LCBETlM6ZXZpbC50ZXN0MB0GA1UdDgQWBBTc6XKH
beRQY1XMidpdAxlGChmQXzAKBggqhkjOPQQDAgNIADBFAiAHShcrc+9vmIYZHDRh
cPft4yqmv+IXyyuPbwugryOenQIhAOhLD+nv8npym/9cZtpuYwAPGK4DXbIwLJxb
90n0emVy
-----END CERTIFICATE-----
`;
  assert.match(new X509Certificate(disguised).subjectAltName ?? '', /DNS:evil\.test/);
  assert.deepEqual(readChain(disguised).names, ['real.test']);
});
