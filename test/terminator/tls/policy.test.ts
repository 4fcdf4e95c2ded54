import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { tlsPresets, type TlsPolicy } from '../../../src/core/tls-policy.ts';
import { Policies } from '../../../src/terminator/tls/policy.ts';
import { PolicyTickets } from '../../../src/terminator/tls/ticket-keys.ts';
import { ClientCa } from './support/client-ca.ts';
import { frontSettings } from './support/front.ts';

const ca = await ClientCa.create('One');
const other = await ClientCa.create('Two');

function idOf(tls: Partial<TlsPolicy>, files: Record<string, string> = {}, endedLists = {}): string {
  return new Policies(frontSettings({ tls, files, endedLists })).of('a.test').id;
}

test('a host has its own policy, then the one of its wildcard, then everybody’s', () => {
  const strict = { ...tlsPresets.modern, alpn: ['http/1.1'] } as const;
  const policies = new Policies(
    frontSettings({
      hosts: [
        { names: ['www.a.test'], tls: tlsPresets.modern },
        { names: ['*.a.test', 'www.a.test'], tls: strict },
        { names: ['api.a.test'], certificateId: 'file/api' },
      ],
    }),
  );
  assert.deepEqual(policies.of('www.a.test').tls, tlsPresets.modern);
  assert.equal(policies.of('api.a.test').tls, strict, 'an entry without a policy has none of its own');
  assert.equal(policies.of('x.a.test'), policies.of('y.a.test'));
  for (const host of ['a.test', 'x.y.a.test', 'test']) assert.equal(policies.of(host).tls.minVersion, 'TLSv1.2');
  assert.deepEqual(policies.of('x.a.test').alpn, Buffer.from('\x08http/1.1\x08http/1.0'));
  assert.equal(policies.ids.size, 3);
});

test('never (§5.13): whatever a session depends on is in the id, and nothing else', () => {
  const client = { mode: 'require', caFile: '/ca', depth: 1, subjects: [] } as const;
  const files = { '/ca': ca.certPem, '/other': other.certPem, '/crl': 'lists', '/moved': ca.certPem };
  const different = [
    idOf({}),
    idOf({ minVersion: 'TLSv1.3' }),
    idOf({ ciphers: ['ECDHE-RSA-AES128-GCM-SHA256'] }),
    idOf({ curves: ['X25519'] }),
    idOf({ sessionTickets: false }),
    idOf({ alpn: ['http/1.1'] }),
    idOf({ clientCertificates: client }, files),
    idOf({ clientCertificates: { ...client, mode: 'optional' } }, files),
    idOf({ clientCertificates: { ...client, depth: 2 } }, files),
    idOf({ clientCertificates: { ...client, subjects: ['x'] } }, files),
    idOf({ clientCertificates: { ...client, caFile: '/other' } }, files),
    idOf({ clientCertificates: { ...client, crlFile: '/crl' } }, files),
    idOf({ clientCertificates: { ...client, crlFile: '/crl' } }, { ...files, '/crl': 'newer lists' }),
    idOf({ clientCertificates: { ...client, crlFile: '/crl' } }, files, { '/crl': 1 }),
    idOf({ clientCertificates: { ...client, crlFile: '/crl' } }, files, { '/crl': 2 }),
    idOf({ clientCertificates: client }, {}),
  ];
  assert.equal(new Set(different).size, different.length);
  for (const id of different) assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(
    idOf({ clientCertificates: client }, files),
    idOf({ clientCertificates: { ...client, caFile: '/moved' } }, files),
  );
  assert.equal(
    idOf({}),
    idOf({ hsts: { maxAgeSeconds: 1, includeSubdomains: true, preload: false }, ocspStapling: false }),
  );
});

test('ticket keys are a policy’s own, the first one encrypts, and every other one is still found', () => {
  const masters = fc.uniqueArray(fc.uint8Array({ minLength: 48, maxLength: 48 }), {
    minLength: 1,
    maxLength: 3,
    selector: (bytes) => Buffer.from(bytes).toString('hex'),
  });
  fc.assert(
    fc.property(masters, fc.string(), fc.string(), (bytes, id, foreign) => {
      const keys = bytes.map((one) => Buffer.from(one));
      const names = keys.map(
        (key) => new PolicyTickets([key], id).onTicket(Buffer.alloc(16), Buffer.alloc(16), true)[3],
      );
      const tickets = new PolicyTickets(keys, id);
      const [result, mac, encryption, name, iv] = tickets.onTicket(Buffer.alloc(16), Buffer.alloc(16), true);
      assert.deepEqual([result, mac.length, encryption.length, name, iv?.length], [1, 32, 16, names[0], 16]);
      for (const one of names) {
        const found = tickets.onTicket(one as Buffer, Buffer.alloc(16), false);
        assert.equal(found[0], 2);
        if (foreign !== id)
          assert.equal(new PolicyTickets(keys, foreign).onTicket(one as Buffer, Buffer.alloc(16), false)[0], 0);
      }
      tickets.use([Buffer.alloc(48, 9)]);
      assert.equal(tickets.onTicket(names[0] as Buffer, Buffer.alloc(16), false)[0], 0, 'gone with its key');
    }),
    { numRuns: 50 },
  );
  const tickets = new PolicyTickets([Buffer.alloc(48, 1)], 'x');
  const ivs = Array.from({ length: 600 }, () =>
    Buffer.from(tickets.onTicket(Buffer.alloc(16), Buffer.alloc(16), true)[4] as Buffer).toString('hex'),
  );
  assert.equal(new Set(ivs).size, ivs.length, 'no IV twice');
});
