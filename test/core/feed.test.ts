import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { routeCertificateId, specDigest } from '../../src/core/certificate.ts';
import { formatRevision, parseRevision } from '../../src/core/feed.ts';

test('a revision survives being written and read', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/), fc.nat({ max: 2 ** 31 }), (epoch, sequence) => {
      assert.deepEqual(parseRevision(formatRevision({ epoch, sequence })), { epoch, sequence });
    }),
  );
  for (const text of ['', '.', 'a', 'a.', '.1', 'a.-1', 'a.1.2', 'ä.1', `${'a'.repeat(41)}.1`])
    assert.equal(parseRevision(text), undefined, text);
});

test('never (§5.8): order and repeats of names, issuers and outputs are no change of the certificate', () => {
  const key = { algorithm: 'ecdsa', size: 256 } as const;
  const digest = specDigest({ dnsNames: ['a.example', 'b.example'], key });
  assert.equal(specDigest({ dnsNames: ['b.example', 'a.example', 'a.example'], key, lifetimeMs: undefined }), digest);
  assert.notEqual(specDigest({ dnsNames: ['a.example'], key }), digest);
  assert.notEqual(specDigest({ dnsNames: ['a.example', 'b.example'], key: { algorithm: 'ecdsa', size: 384 } }), digest);
  assert.notEqual(specDigest({ dnsNames: ['a.example', 'b.example'], key, lifetimeMs: 1 }), digest);
});

test('the id of a route certificate has no asterisk in it', () => {
  assert.equal(routeCertificateId('*.apps.localhost'), 'route/_wildcard.apps.localhost');
  assert.equal(routeCertificateId('shop.example'), 'route/shop.example');
});
