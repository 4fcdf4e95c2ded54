import assert from 'node:assert/strict';
import test from 'node:test';
import type { Bundle } from '../../../src/core/bundle.ts';
import type { MaterialAnswer, SlotState } from '../../../src/terminator/ipc/messages.ts';
import { WorkerCertificates } from '../../../src/terminator/tls/certificates.ts';
import { TestCa } from '../../support/test-ca.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dnsNames: ['a.test'] });
const bundle: Bundle = { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
const limits = { contexts: 10, hosts: 10 };

function state(slot: string, versionId: string): SlotState {
  return { slot, versionId, names: ['a.test'], notBefore: 0, notAfter: Number.MAX_SAFE_INTEGER };
}

test('never (§5.1): a version whose key cannot be read is refused, and the one before serves on', async () => {
  let answer: MaterialAnswer = { ...state('s', 'v1'), bundle };
  const certificates = new WorkerCertificates(
    { resolve: (_host, done) => done(state('s', 'v1')), material: (_slot, done) => done(answer) },
    limits,
  );
  assert.equal((await certificates.use('a.test'))?.best.versionId, 'v1');
  answer = 'unreadable';
  const refusals = await certificates.apply([{ kind: 'certificate', slot: 's', names: ['a.test'] }]);
  assert.deepEqual(
    refusals.map(({ key, code }) => [key, code]),
    [['s', 'terminator.cache-unreadable']],
  );
  assert.equal((await certificates.use('a.test'))?.best.versionId, 'v1');
});

test('never (§5.3): a certificate that goes while a handshake asks for it leaves the host to the next one', async () => {
  let slot = 'gone';
  const certificates: WorkerCertificates = new WorkerCertificates(
    {
      resolve: (_host, done) => done(state(slot, 'v1')),
      material: (asked, done) => {
        if (asked !== 'gone') return done({ ...state(asked, 'v1'), bundle });
        // The removal comes before the answer, as the channel keeps the order.
        slot = 'other';
        void certificates.apply([{ kind: 'certificate', slot: 'gone', gone: true, names: ['a.test'] }]);
        done(null);
      },
    },
    limits,
  );
  assert.equal((await certificates.use('a.test'))?.best.slot, 'other');
});

test('a slot that stays empty is no certificate, and is asked for once', async () => {
  let asked = 0;
  const certificates = new WorkerCertificates(
    {
      resolve: (_host, done) => done(state('s', 'v1')),
      material: (_slot, done) => done((asked += 1) > 0 ? null : null),
    },
    limits,
  );
  assert.equal(await certificates.use('a.test'), undefined);
  assert.equal(asked, 1);
});

test('never (§5.1): a version that the TLS library does not take is refused, and the one before serves on', async () => {
  let answer: MaterialAnswer = { ...state('s', 'v1'), bundle };
  const certificates = new WorkerCertificates(
    { resolve: (_host, done) => done(state('s', 'v1')), material: (_slot, done) => done(answer) },
    limits,
  );
  await certificates.use('a.test');
  const other = await ca.issue({ dnsNames: ['a.test'] });
  answer = { ...state('s', 'v2'), bundle: { ...bundle, keyPem: other.keyPem } };
  const refusals = await certificates.apply([{ kind: 'certificate', slot: 's', names: ['a.test'] }]);
  assert.deepEqual(
    refusals.map(({ key, code }) => [key, code]),
    [['s', 'certificate.unparsable']],
  );
  assert.equal((await certificates.use('a.test'))?.best.versionId, 'v1');
  answer = { ...state('s', 'v3'), bundle: { chainPem: other.fullchainPem, keyPem: other.keyPem } };
  assert.deepEqual(await certificates.apply([{ kind: 'certificate', slot: 's', names: ['a.test'] }]), []);
  assert.equal((await certificates.use('a.test'))?.best.versionId, 'v3');
});

test('an alternative is loaded with the best one, and its loss costs no handshake', async () => {
  let alternative: MaterialAnswer = { ...state('rsa', 'r1'), bundle };
  const certificates = new WorkerCertificates(
    {
      resolve: (_host, done) => done({ ...state('ec', 'e1'), alternative: state('rsa', 'r1') }),
      material: (slot, done) => done(slot === 'rsa' ? alternative : { ...state('ec', 'e1'), bundle }),
    },
    limits,
  );
  const slots = async (): Promise<unknown[]> => {
    const found = await certificates.use('a.test');
    return [found?.best.slot, found?.alternative?.slot];
  };
  assert.equal(certificates.peek('a.test'), undefined);
  assert.deepEqual(await slots(), ['ec', 'rsa']);
  assert.equal(certificates.peek('a.test')?.alternative?.slot, 'rsa');
  for (const lost of ['unreadable', null] as const) {
    alternative = lost;
    await certificates.apply([{ kind: 'certificate', slot: 'rsa', gone: true, names: ['a.test'] }]);
    assert.deepEqual(await slots(), ['ec', undefined]);
  }
});

test('a staple is for one version, and goes with its material', async () => {
  const staple = Buffer.from('response').toString('base64');
  const certificates = new WorkerCertificates(
    {
      resolve: (_host, done) => done(state('s', 'v1')),
      material: (_slot, done) => done({ ...state('s', 'v1'), bundle, staple }),
    },
    limits,
  );
  const current = async (): Promise<string | undefined> => (await certificates.use('a.test'))?.best.staple?.toString();
  assert.equal(await current(), 'response');
  certificates.staple({
    kind: 'staple',
    slot: 's',
    versionId: 'v2',
    staple: Buffer.from('of another').toString('base64'),
  });
  assert.equal(await current(), 'response');
  certificates.staple({ kind: 'staple', slot: 's', versionId: 'v1' });
  assert.equal(await current(), undefined);
});
