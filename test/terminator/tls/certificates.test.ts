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
