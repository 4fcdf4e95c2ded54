import assert from 'node:assert/strict';
import test from 'node:test';
import { specDigest, type CertificateSpec } from '../../src/core/certificate.ts';
import type { CertificateRecord, OrderRecord, VersionRecord } from '../../src/core/records.ts';
import type { Refused } from '../../src/schedule/budget.ts';
import { checks, decide, type DecideInput, type Decision } from '../../src/schedule/reconcile.ts';
import type { RegistryEntry } from '../../src/state/registry.ts';
import { day, hour, minute, spec } from './support/plant.ts';

const now = Date.parse('2026-06-01T12:00:00Z');
const shop = spec('file/shop', { issuers: ['one', 'two'] });

function record(more: Partial<CertificateRecord> = {}, wanted: CertificateSpec = shop): CertificateRecord {
  return { id: wanted.id, spec: wanted, createdAt: 0, nextNumber: 2, failures: 0, outputs: {}, ...more };
}

function version(more: Partial<VersionRecord> = {}): VersionRecord {
  const validity = { notBefore: now - 10 * day, notAfter: now + 80 * day, issuedAt: now - 10 * day };
  const facts = { names: shop.dnsNames, serial: '0A', fingerprint256: 'aa', subject: '', issuer: '', chainLength: 2 };
  const kind = { chainComplete: true, keyAlgorithm: 'ECDSA P-256', issuerName: 'one', chainPem: '' };
  return { id: 'file/shop#1', certificateId: 'file/shop', number: 1, ...facts, ...kind, ...validity, ...more };
}

function order(more: Partial<OrderRecord> = {}): OrderRecord {
  const { dnsNames, key } = shop;
  const request = { dnsNames, key };
  const reason = { code: 'due', message: 'It was due.' };
  const start = { startedAt: now - minute, step: 'validate', data: {} };
  return { certificateId: shop.id, issuerName: 'one', request, digest: specDigest(shop), reason, ...start, ...more };
}

const issued = { currentVersion: 'file/shop#1', issuedDigest: specDigest(shop) } as const;

function decided(entry: RegistryEntry, more: Partial<DecideInput> = {}): Decision {
  return decide({ now, entry, refused: () => undefined, ...more });
}

const blocked = (until: number): Refused => ({ code: 'issuer-blocked', message: 'Paused.', at: until });

interface Case {
  readonly name: string;
  readonly entry: RegistryEntry;
  readonly more?: Partial<DecideInput>;
  readonly expect: {
    readonly action: Decision['action'];
    readonly code: string;
    readonly at?: number;
    readonly issuer?: string;
  };
}

const due = version({ notBefore: now - 80 * day, notAfter: now + 10 * day });
const changed = record({ ...issued, issuedDigest: 'another' });

const cases: readonly Case[] = [
  {
    name: 'issues what does not exist',
    entry: { record: record() },
    expect: { action: 'issue', code: 'does-not-exist', issuer: 'one' },
  },
  {
    name: 'leaves alone what is good',
    entry: { record: record(issued), current: version() },
    expect: { action: 'none', code: 'not-due' },
  },
  {
    name: 'renews what is due',
    entry: { record: record(issued), current: due },
    expect: { action: 'renew', code: 'due', issuer: 'one' },
  },
  {
    name: 'renews when the CA asks for it',
    entry: { record: record({ ...issued, ari: { start: now - 2 * hour, end: now - hour } }), current: version() },
    expect: { action: 'renew', code: 'ari-past' },
  },
  {
    name: 'leaves alone what the CA wants later, though 2/3 are over',
    entry: { record: record({ ...issued, ari: { start: now + hour, end: now + 2 * hour } }), current: due },
    expect: { action: 'none', code: 'not-due' },
  },
  {
    name: 'renews what was asked for',
    entry: { record: record({ ...issued, renewalRequestedAt: now }), current: version() },
    expect: { action: 'renew', code: 'requested' },
  },
  {
    name: 'renews what has expired',
    entry: { record: record(issued), current: version({ notAfter: now }) },
    expect: { action: 'renew', code: 'expired' },
  },
  {
    name: 'renews for another key',
    entry: { record: changed, current: version({ keyAlgorithm: 'RSA 2048' }) },
    expect: { action: 'renew', code: 'key-changed' },
  },
  {
    name: 'renews for other names',
    entry: { record: changed, current: version({ names: ['x.org'] }) },
    expect: { action: 'renew', code: 'names-changed' },
  },
  {
    name: 'renews for another lifetime',
    entry: { record: changed, current: version() },
    expect: { action: 'renew', code: 'lifetime-changed' },
  },
  {
    name: 'does not renew what was removed',
    entry: { record: record({ ...issued, removedAt: 1 }), current: due },
    expect: { action: 'none', code: 'removed' },
  },
  {
    name: 'gives up the order of what was removed',
    entry: { record: record({ removedAt: 1 }), order: order() },
    expect: { action: 'abandon', code: 'removed' },
  },
  {
    name: 'gives up an order for another spec',
    entry: { record: record(), order: order({ digest: 'x' }) },
    expect: { action: 'abandon', code: 'order-outdated' },
  },
  {
    name: 'gives up an order with an issuer it no longer names',
    entry: { record: record(), order: order({ issuerName: 'three' }) },
    expect: { action: 'abandon', code: 'order-outdated' },
  },
  {
    name: 'cleans up before anything else',
    entry: { record: record(), order: order({ abandoning: true }) },
    expect: { action: 'abandon', code: 'order-clean-up' },
  },
  {
    name: 'takes the next step',
    entry: { record: record(), order: order() },
    expect: { action: 'step', code: 'order-in-progress', issuer: 'one' },
  },
  {
    name: 'waits with an order that waits',
    entry: { record: record(), order: order({ waitUntil: now + 5 }) },
    expect: { action: 'wait', code: 'order-waiting', at: now + 5 },
  },
  {
    name: 'never (§5.11): waits as long with an order of a clock that was ahead, and no longer',
    entry: { record: record(), order: order({ startedAt: now + day, waitUntil: now + day + hour }) },
    expect: { action: 'wait', code: 'order-waiting', at: now + hour },
  },
  {
    name: 'never (§5.5): takes no step while the issuer asked for a pause',
    entry: { record: record(), order: order() },
    more: { refused: () => blocked(now + hour) },
    expect: { action: 'wait', code: 'issuer-blocked', at: now + hour },
  },
  {
    name: 'goes on with an order though the budget for new ones is spent',
    entry: { record: record(), order: order() },
    more: { refused: () => ({ code: 'rate-budget', message: '', at: now + hour }) },
    expect: { action: 'step', code: 'order-in-progress' },
  },
  {
    name: 'waits out a failure',
    entry: {
      record: record({
        failures: 1,
        retryAt: now + 9,
        lastFailure: { code: 'issuer.timeout', message: '', at: now - 1 },
      }),
    },
    expect: { action: 'wait', code: 'retry-waiting', at: now + 9 },
  },
  {
    name: 'never (§5.11): waits as long after a failure of a clock that was ahead, and no longer',
    entry: {
      record: record({
        failures: 1,
        retryAt: now + 3650 * day + hour,
        lastFailure: { code: 'issuer.timeout', message: '', at: now + 3650 * day },
      }),
    },
    expect: { action: 'wait', code: 'retry-waiting', at: now + hour },
  },
  {
    name: 'tries the next issuer after a failure',
    entry: { record: record({ failures: 1, retryAt: now }) },
    expect: { action: 'issue', code: 'does-not-exist', issuer: 'two' },
  },
  {
    name: 'comes back to the first issuer after the last',
    entry: { record: record({ failures: 2, retryAt: now }) },
    expect: { action: 'issue', code: 'does-not-exist', issuer: 'one' },
  },
  {
    name: 'waits for an issuer that pauses for a moment',
    entry: { record: record(issued), current: due },
    more: { refused: (name) => (name === 'one' ? blocked(now + hour) : undefined) },
    expect: { action: 'wait', code: 'issuer-blocked', at: now + hour },
  },
  {
    name: 'takes the next issuer when the first pauses for long',
    entry: { record: record(issued), current: due },
    more: { refused: (name) => (name === 'one' ? blocked(now + 5 * day) : undefined) },
    expect: { action: 'renew', code: 'due', issuer: 'two' },
  },
  {
    name: 'waits for the one that is free first when all pause for long',
    entry: { record: record() },
    more: { refused: (name) => blocked(name === 'one' ? now + 5 * day : now + 2 * day) },
    expect: { action: 'wait', code: 'issuer-blocked', at: now + 2 * day },
  },
  {
    name: 'says that no issuer is configured',
    entry: { record: record() },
    more: { refused: () => ({ code: 'issuer.unknown', message: 'No issuer one is configured.' }) },
    expect: { action: 'wait', code: 'issuer.unknown' },
  },
  {
    name: 'never (§5.8): holds a changed spec while the brake does',
    entry: { record: changed, current: version() },
    more: { brake: { wanting: 30, managed: 40 } },
    expect: { action: 'wait', code: 'brake-held' },
  },
  {
    name: 'never (§5.8): the brake does not hold what is due',
    entry: { record: changed, current: due },
    more: { brake: { wanting: 30, managed: 40 } },
    expect: { action: 'renew', code: 'due' },
  },
  {
    name: 'never (§5.8): the brake does not hold what was asked for',
    entry: { record: { ...changed, renewalRequestedAt: now }, current: version() },
    more: { brake: { wanting: 30, managed: 40 } },
    expect: { action: 'renew', code: 'requested' },
  },
  {
    name: 'holds a stored version until it is valid',
    entry: {
      record: record(issued),
      current: due,
      stored: version({ number: 2, notBefore: now + day, notAfter: now + 90 * day }),
    },
    expect: { action: 'none', code: 'certificate.not-yet-valid', at: now + day },
  },
  {
    name: 'puts a stored version in use when it may',
    entry: { record: record(issued), current: due, stored: version({ number: 2 }) },
    expect: { action: 'finish', code: 'unfinished' },
  },
  {
    name: 'finishes what a crash left',
    entry: { record: record(issued), current: due, unfinished: true },
    expect: { action: 'finish', code: 'unfinished' },
  },
  {
    name: 'begins nothing while the state cannot be written',
    entry: { record: record() },
    more: { trouble: { code: 'store.unavailable', message: 'The disk is full.', at: now + 5 } },
    expect: { action: 'wait', code: 'store.unavailable', at: now + 5 },
  },
];

for (const { name, entry, more, expect } of cases) {
  test(`reconcile ${name}`, () => {
    const decision = decided(entry, more);
    assert.equal(decision.action, expect.action, decision.reason.message);
    assert.equal(decision.reason.code, expect.code);
    if (expect.at !== undefined) assert.equal(decision.at, expect.at);
    if (expect.issuer !== undefined) assert.equal(decision.issuer, expect.issuer);
    assert.match(decision.reason.message, /^[A-Z0-9].*[.?]$|^$/s);
  });
}

test('never (§5.8): issuers and outputs that change re-issue nothing', () => {
  const output = { kind: 'kubernetesSecret', id: 'secret:a/b', namespace: 'a', name: 'b' } as const;
  const other = { ...shop, issuers: ['three'], outputs: [output], name: 'renamed' };
  assert.equal(decided({ record: record(issued, other), current: version() }).reason.code, 'not-due');
});

test('a certificate that would be due the moment it is issued is left alone for a while', () => {
  const odd = version({ notBefore: now - 80 * day, notAfter: now + 10 * day, issuedAt: now });
  const decision = decided({ record: record(issued), current: odd });
  assert.equal(decision.action, 'none');
  assert.equal(decision.at, now + minute);
});

test('every check has a name and a line of its own', () => {
  assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length);
  for (const { reason } of checks) assert.match(reason, /^[A-Z].*\.$/);
});
