import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { identityHeaders } from '../../../src/terminator/proxy/client-identity.ts';
import type { ClientIdentity } from '../../../src/terminator/proxy/exchange.ts';

const identity: ClientIdentity = {
  verified: true,
  subject: 'CN=Zoë,O=Example',
  issuer: 'CN=Clients',
  serial: '0A1B',
  fingerprint256: 'ab'.repeat(32),
  names: ['zoe.test'],
  certificate: Buffer.from([0x30, 0x03, 0x02, 0x01, 0x05]),
};

test('a verified certificate is told whole: RFC 9440, names in ASCII, serial and fingerprint', () => {
  const expected = {
    'X-Client-Cert-Verified': 'success',
    'X-Client-Cert-Subject': 'CN=Zo\\c3\\ab,O=Example',
    'X-Client-Cert-Issuer': 'CN=Clients',
    'X-Client-Cert-Serial': '0A1B',
    'X-Client-Cert-Fingerprint': 'ab'.repeat(32),
    'Client-Cert': ':MAMCAQU=:',
  };
  assert.deepEqual(identityHeaders(identity), Object.entries(expected).flat());
  assert.equal(identityHeaders(identity), identityHeaders(identity), 'made once for a connection');
});

test('of a certificate that does not verify, only the reason is told; without one, that there is none', () => {
  const failed = { ...identity, verified: false, reason: 'CERT_HAS_EXPIRED' };
  assert.deepEqual(identityHeaders(failed), ['X-Client-Cert-Verified', 'failed:CERT_HAS_EXPIRED']);
  assert.deepEqual(identityHeaders({ ...identity, verified: false }), ['X-Client-Cert-Verified', 'failed:unknown']);
  assert.deepEqual(identityHeaders(undefined), ['X-Client-Cert-Verified', 'none']);
});

test('no name in a certificate can end a header line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (subject, issuer) => {
      for (const text of identityHeaders({ ...identity, subject, issuer })) assert.match(text, /^[\x20-\x7e]*$/);
    }),
  );
});
