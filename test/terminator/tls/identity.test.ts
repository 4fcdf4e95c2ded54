import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { alternativeNames, distinguishedName, matchesPattern } from '../../../src/terminator/tls/identity.ts';
import { ClientCa } from './support/client-ca.ts';

const ca = await ClientCa.create('Names');

test('a distinguished name is written as RFC 4514 has it', async () => {
  const cases = [
    ['C=DE,O=Shop,CN=alice', 'CN=alice,O=Shop,C=DE'],
    ['CN=a\\, b\\+c,OU=x+L=y', 'OU=x+L=y,CN=a\\, b\\+c'],
    ['CN=\\#1', 'CN=\\#1'],
  ] as const;
  for (const [subject, expected] of cases) {
    const certificate = new X509Certificate((await ca.issue({ subject })).certPem);
    assert.equal(distinguishedName(certificate.subject), expected);
  }
  assert.equal(distinguishedName(''), '');
});

test('alternative names are read whole, whatever stands in them, and none is made up', async () => {
  const tricky = ['a, DNS:evil.test', 'say "hi", URI:x', 'back\\slash', 'plain.test', '*.wild.test'];
  for (const value of tricky) {
    const names = [
      { type: 'dns' as const, value: 'first.test' },
      { type: 'url' as const, value },
      { type: 'email' as const, value: 'last@x.test' },
    ];
    const { subjectAltName } = new X509Certificate((await ca.issue({ names })).certPem);
    assert.deepEqual(alternativeNames(subjectAltName), ['first.test', value, 'last@x.test']);
  }
  const hidden = { type: 'dn' as const, value: 'CN=x\\, DNS:evil.test' };
  const { subjectAltName } = new X509Certificate((await ca.issue({ names: [hidden] })).certPem);
  assert.match(subjectAltName ?? '', /evil/);
  assert.deepEqual(alternativeNames(subjectAltName), []);
  assert.deepEqual(alternativeNames(undefined), []);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(',', ' ', ':', '"', '\\', 'D', 'N', 'S', 'a') }), (text) => {
      alternativeNames(text); // ends, and throws nothing, whatever node may write one day
    }),
  );
});

test('a pattern matches as the regular expression does that it stands for', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', 'A'), maxLength: 12 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', 'B'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (wanted, given) => {
      const source = wanted
        .split('*')
        .map((part) => part.replaceAll('.', '\\.'))
        .join('.*');
      assert.equal(matchesPattern(wanted, given), new RegExp(`^${source}$`, 'i').test(given));
    }),
    { numRuns: 3_000 },
  );
  assert.equal(matchesPattern('CN=*', 'cn=x'), true);
  // With backtracking this would not end: no pattern blocks a worker.
  assert.equal(matchesPattern(`${'*a'.repeat(500)}b`, 'a'.repeat(50_000)), false);
});
