import assert from 'node:assert/strict';
import test from 'node:test';
import { specDigest } from '../../src/core/certificate.ts';
import type { ServedBy } from '../../src/core/ports/control-view.ts';
import type { CertificateRecord, OrderRecord, VersionRecord } from '../../src/core/records.ts';
import { decide } from '../../src/schedule/reconcile.ts';
import { describeStatus, type DescribedStatus, type StatusContext } from '../../src/schedule/status.ts';
import type { RegistryEntry } from '../../src/state/registry.ts';
import { day, hour, minute, spec } from './support/plant.ts';

const now = Date.parse('2026-06-01T12:00:00Z');
const output = { kind: 'kubernetesSecret', id: 'secret:a/b', namespace: 'a', name: 'b' } as const;
const shop = spec('file/shop', { outputs: [output] });

function record(more: Partial<CertificateRecord> = {}): CertificateRecord {
  return { id: shop.id, spec: shop, createdAt: 0, nextNumber: 2, failures: 0, outputs: {}, ...more };
}

function version(more: Partial<VersionRecord> = {}): VersionRecord {
  const validity = { notBefore: now - 10 * day, notAfter: now + 80 * day, issuedAt: now - 10 * day };
  const facts = { names: shop.dnsNames, serial: '0A', fingerprint256: 'aa', subject: '', issuer: '', chainLength: 2 };
  const kind = { chainComplete: true, keyAlgorithm: 'ECDSA P-256', issuerName: 'ca', chainPem: '' };
  return { id: 'file/shop#2', certificateId: shop.id, number: 2, ...facts, ...kind, ...validity, ...more };
}

function order(): OrderRecord {
  const request = { dnsNames: shop.dnsNames, key: shop.key };
  const reason = { code: 'due', message: 'It was due.' };
  const start = { startedAt: now - minute, step: 'validate', data: {} };
  return { certificateId: shop.id, issuerName: 'ca', request, digest: specDigest(shop), reason, ...start };
}

function served(more: Partial<ServedBy> = {}): ServedBy {
  const facts = { names: [], serial: '0A', fingerprint256: 'AA', notAfter: 0, since: now - hour, source: 'feed' };
  return { certificateId: shop.id, versionId: 'file/shop#2', terminatorId: 'edge', connected: true, ...facts, ...more };
}

function describe(entry: RegistryEntry, more: Partial<StatusContext> = {}): DescribedStatus {
  const decision = decide({ now, entry, refused: () => undefined });
  return describeStatus(entry, { now, decision, servedBy: [], ...more });
}

const issued = { issuedDigest: specDigest(shop), currentVersion: 'file/shop#2' } as const;
const failure = { code: 'acme.challenge-failed', message: 'The CA saw another answer.', at: now - 1 } as const;
const failed = { failures: 2, lastFailure: failure, retryAt: now + hour } as const;
const due = version({ notBefore: now - 80 * day, notAfter: now + 10 * day });

test('the phase follows the record, and its reason says why', () => {
  const expected: readonly [RegistryEntry, string, string][] = [
    [{ record: record() }, 'pending', 'does-not-exist'],
    [{ record: record(), order: order() }, 'issuing', 'due'],
    [{ record: record(failed) }, 'failing', 'acme.challenge-failed'],
    [{ record: record(issued), current: version() }, 'ready', 'valid'],
    [{ record: record(issued), current: version(), order: order() }, 'renewing', 'due'],
    [{ record: record({ ...issued, ...failed }), current: version() }, 'failing', 'acme.challenge-failed'],
    [
      { record: record({ ...issued, ...failed }), current: version({ notAfter: now }) },
      'expired',
      'certificate.expired',
    ],
    [{ record: record(issued), current: version({ notBefore: now + day }) }, 'ready', 'certificate.not-yet-valid'],
  ];
  for (const [entry, phase, code] of expected) {
    const { status } = describe(entry);
    assert.equal(status.phase, phase);
    assert.equal(status.phaseReason.code, code);
    assert.match(status.phaseReason.message, /\.$/);
  }
});

test('a renewal that has not happened is overdue, with what holds it up', () => {
  const entry = { record: record(issued), current: due };
  const refused = () => ({ code: 'rate-budget', message: 'The budget is spent.', at: now + hour });
  const decision = decide({ now, entry, refused });
  const { status, renewAt } = describe(entry, { decision });
  assert.equal(status.phase, 'ready');
  assert.equal(status.phaseReason.code, 'overdue');
  assert.match(status.phaseReason.message, /overdue since .*: The budget is spent\.$/);
  assert.ok(renewAt !== undefined && renewAt < now);
  const failing = describe({ record: record({ ...issued, ...failed }), current: due });
  assert.equal(failing.status.phase, 'failing');
  assert.match(failing.status.phaseReason.message, /overdue since/);
});

test('what is about to be renewed is not overdue yet, whatever its lifetime', () => {
  for (const lifetime of [15 * minute, 160 * hour, 90 * day]) {
    const share = lifetime < 10 * day ? 1 / 2 : 2 / 3;
    const notBefore = now - lifetime * share;
    const current = version({ notBefore, notAfter: notBefore + lifetime, issuedAt: notBefore, serial: '0' });
    const { renewAt } = describe({ record: record(issued), current });
    const at = (later: number) =>
      describeStatus({ record: record(issued), current }, { now: (renewAt ?? 0) + later, servedBy: [] });
    assert.notEqual(at(minute).status.phaseReason.code, 'overdue');
    assert.equal(at(hour + 1).status.phaseReason.code, lifetime > hour ? 'overdue' : 'certificate.expired');
  }
});

test('each output is delivered, lagging, failed or has nothing yet', () => {
  const state = (outputs: CertificateRecord['outputs'], current: VersionRecord | undefined = version()) => {
    const [delivery] = describe({ record: record({ ...issued, outputs }), current }).deliveries;
    return [delivery?.state, delivery?.reason.code];
  };
  const written = { versionId: 'file/shop#2', deliveredAt: now, failures: 0 };
  assert.deepEqual(state({ [output.id]: written }), ['delivered', 'delivered']);
  assert.deepEqual(state({ [output.id]: { ...written, versionId: 'file/shop#1' } }), ['lagging', 'delivery-pending']);
  assert.deepEqual(state({}), ['lagging', 'delivery-pending']);
  const problem = { code: 'output.not-owned', message: 'Another one owns it.', at: now } as const;
  assert.deepEqual(state({ [output.id]: { failures: 1, failure: problem } }), ['failed', 'output.not-owned']);
  const reload = { code: 'output.reload-failed', message: 'It ended with 1.', at: now } as const;
  assert.deepEqual(state({ [output.id]: { ...written, failures: 3, failure: reload } }), [
    'failed',
    'output.reload-failed',
  ]);
  const [nothing] = describe({ record: record() }).deliveries;
  assert.equal(nothing?.reason.code, 'nothing-to-deliver');
});

test('each connected terminator is judged by what it really serves, and by what it refuses', () => {
  const entry = { record: record({ ...issued, spec: { ...shop, outputs: [] } }), current: version() };
  const overall = (more: Partial<StatusContext>) => {
    const { status, deliveries } = describe(entry, more);
    return [status.delivery, status.deliveryReason.code, deliveries.length];
  };
  assert.deepEqual(overall({ servedBy: [served()] }), ['delivered', 'served', 1]);
  const old = served({ terminatorId: 'old', fingerprint256: 'bb' });
  assert.deepEqual(overall({ servedBy: [served(), old] }), ['lagging', 'serves-other', 2]);
  assert.deepEqual(overall({ servedBy: [served(), { ...old, connected: false }] }), ['delivered', 'served', 1]);
  const refusal = {
    terminatorId: 'old',
    key: 'certificate/file/shop',
    code: 'certificate.unparsable',
    message: 'No.',
  } as const;
  assert.deepEqual(overall({ servedBy: [served(), old], refusals: [refusal] }), [
    'failed',
    'certificate.unparsable',
    2,
  ]);
  assert.deepEqual(overall({}), ['none', 'no-target', 0]);
});

test('the next action is what will happen by itself, and when', () => {
  const next = (entry: RegistryEntry, more: Partial<StatusContext> = {}) => {
    const { action, at } = describe(entry, more).next;
    return [action, at];
  };
  const plannedAt = describe({ record: record(issued), current: version() }).renewAt;
  assert.deepEqual(next({ record: record() }), ['issue', undefined]);
  assert.deepEqual(next({ record: record(failed) }), ['retry', now + hour]);
  assert.deepEqual(next({ record: record(issued), current: version() }), ['renew', plannedAt]);
  assert.deepEqual(next({ record: record(issued), current: version() }, { decision: undefined }), ['renew', plannedAt]);
  assert.deepEqual(next({ record: record({ ...issued, removedAt: 1 }), current: due }), ['none', undefined]);
  const outputs = { [output.id]: { failures: 1, failure, retryAt: now + minute } };
  assert.deepEqual(next({ record: record({ ...issued, outputs }), current: version() }), ['deliver', now + minute]);
  assert.deepEqual(next({ record: record({ ...issued, outputs }), current: due }), ['renew', undefined]);
  const stored = version({ number: 3, notBefore: now + day, notAfter: now + 99 * day });
  assert.deepEqual(next({ record: record(issued), current: version(), stored }), ['deliver', now + day]);
});

test('what left the configuration says so and is planned for nothing', () => {
  const { status, renewAt } = describe({ record: record({ ...issued, removedAt: now - day }), current: version() });
  assert.equal(status.managed, 'removed');
  assert.equal(status.phase, 'ready');
  assert.equal(renewAt, undefined);
});
