import assert from 'node:assert/strict';
import test from 'node:test';
import type { CertificateSpec } from '../../src/core/certificate.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { ScriptedCa, ScriptedIssuer } from '../support/scripted-issuer.ts';
import { letsEncryptLimits } from '../../src/schedule/limits.ts';
import { day, hour, minute, plant, signal, spec } from './support/plant.ts';

const keyed = (size: 256 | 384): CertificateSpec[] =>
  Array.from({ length: 40 }, (_, i) => spec(`file/c${i}`, { key: { algorithm: 'ecdsa', size } }));

test('never (§5.1): after a full disk a renewal brings a new certificate, not the one that could not be kept', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)] });
  let full = false;
  store.beforeWrite = (_, kind) => {
    if (full && kind === 'certificate') throw new Error('ENOSPC');
  };
  ca.script = (step) => {
    if (step === 'download') full = true;
    return undefined;
  };
  await now.apply(spec('file/a'));
  await settle();
  assert.equal(now.registry.entry('file/a')?.stored?.number, 1, 'the version is stored, and nothing points at it');
  full = false;
  ca.script = () => undefined;
  await clock.advance(2 * minute);
  const first = now.registry.entry('file/a')?.current;
  assert.equal(first?.number, 1);
  await now.registry.requestRenewal('file/a', 'cli', signal);
  await settle();
  const second = now.registry.entry('file/a')?.current;
  assert.equal(second?.number, 2);
  assert.equal(ca.issued.length, 2);
  assert.notEqual(second.fingerprint256, first.fingerprint256);
});

test('never (§5.5): a due renewal whose certificate ends earlier is used, not issued and thrown away again and again', async () => {
  const clock = new ManualClock();
  const own = new ScriptedCa(clock, 365 * day);
  const other = new ScriptedCa(clock, 90 * day);
  const issuers = [new ScriptedIssuer('ca', own), new ScriptedIssuer('other', other)];
  await using now = await plant({ clock, issuers });
  await now.apply(spec('file/a'));
  await settle();
  await now.apply(spec('file/a', { issuers: ['other'] }));
  await clock.advance(250 * day);
  const { current, record } = now.registry.entry('file/a') ?? {};
  assert.equal(current?.issuerName, 'other');
  assert.equal(record?.failures, 0);
  assert.equal(other.issued.length, 1);
});

test('a mass re-issue that is accepted twice stays accepted', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  const issuer = new ScriptedIssuer('ca', ca);
  const issuers = new Map([['ca', issuer]]);
  await using now = await plant({ clock, issuers: [issuer], concurrency: 1 });
  await now.apply(...keyed(256));
  await clock.advance(day);
  const { promise: gate, resolve } = Promise.withResolvers<void>();
  ca.script = () => ({ after: gate });
  await now.apply(...keyed(384));
  await settle();
  await now.scheduler.acceptReissue(signal);
  await settle();
  // As every reload does: everything is looked at again.
  now.scheduler.setIssuers(issuers);
  await now.scheduler.acceptReissue(signal);
  now.scheduler.setIssuers(issuers);
  await settle();
  assert.deepEqual(now.scheduler.problems(), []);
  ca.script = () => undefined;
  resolve();
  await clock.advance(hour);
  assert.equal(ca.issued.length, 80);
});

test('accepting counts for changes that were made just before it', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)] });
  await now.apply(...keyed(256));
  await clock.advance(day);
  const applied = now.registry.onChange(() => {
    // In the same turn as the change: the scheduler has not looked yet.
    accepted ??= now.scheduler.acceptReissue(signal);
  });
  let accepted: Promise<void> | undefined;
  await now.apply(...keyed(384));
  applied[Symbol.dispose]();
  await accepted;
  await clock.advance(hour);
  assert.deepEqual(now.scheduler.problems(), []);
  assert.equal(ca.issued.length, 80);
});

test('never (§5.10): a record that cannot be read holds up nothing but itself, and says so', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const ca = new ScriptedCa(clock, 90 * day);
  const { issuers: _, ...broken } = spec('file/bad');
  const value = { id: 'file/bad', createdAt: 0, nextNumber: 1, failures: 0, outputs: {}, spec: broken as never };
  await store.put('certificate', { key: 'file/bad', value, expect: 'absent' });
  const good = { ...value, id: 'file/good', spec: spec('file/good') };
  await store.put('certificate', { key: 'file/good', value: good, expect: 'absent' });
  await using now = await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)] });
  await clock.advance(hour);
  assert.equal(now.registry.entry('file/good')?.current?.number, 1);
  assert.equal(now.scheduler.decision('file/bad')?.reason.code, 'internal.unexpected');
  // It is looked at every minute: only the days around the renewal are walked through.
  await clock.jumpTo(clock.now() + 57 * day);
  assert.equal(now.registry.entry('file/good')?.current?.number, 1);
  await clock.advance(4 * day);
  assert.equal(now.registry.entry('file/good')?.current?.number, 2);
});

test('an order that is dropped because its issuer is gone leaves no answer to a challenge in the feed', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)] });
  ca.script = (step) => (step === 'validate' ? { hangs: true } : undefined);
  await now.apply(spec('file/a'), spec('file/b'));
  await settle();
  const answer = { kind: 'challenge', type: 'http-01', identifier: 'a.example.com', keyAuthorization: 'x' } as const;
  await now.feed.publish({ ...answer, token: 'token-a' }, signal);
  const order = now.registry.entry('file/a')?.order;
  assert.ok(order);
  const data = { ...order.data, challenges: [{ token: 'token-a' }] };
  await now.registry.saveOrder({ ...order, data }, undefined, signal);
  now.scheduler.setIssuers(new Map());
  await clock.advance(minute);
  assert.equal(now.registry.entry('file/a')?.order, undefined);
  assert.equal(now.feed.item('challenge/token-a'), undefined);
});

test('never (§5.4): a failure that could not be kept for a full disk is kept with its retry time before the order is cleaned up', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)] });
  let full = false;
  store.beforeWrite = (_, kind) => {
    if (full && kind === 'certificate') throw new Error('ENOSPC');
  };
  ca.script = () => {
    full = true;
    return { fail: 'acme.challenge-failed', retryAt: clock.now() + day };
  };
  await now.apply(spec('file/a'));
  await settle();
  full = false;
  ca.script = () => undefined;
  await clock.advance(2 * minute);
  const { record, order } = now.registry.entry('file/a') ?? {};
  assert.equal(order, undefined);
  assert.equal(record?.failures, 1);
  assert.equal(record?.lastFailure?.code, 'acme.challenge-failed');
  assert.equal(ca.calls.length, 1);
});

test('names that could not be verified have used up no certificate: once they can be, the next attempt is not held for days', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  const limits = new Map([['ca', letsEncryptLimits]]);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)], limits });
  ca.script = (step) => (step === 'validate' ? { fail: 'acme.challenge-failed', nothingIssued: true } : undefined);
  await now.apply(spec('file/a'));
  for (let asked = 0; asked < 8; asked += 1) {
    await clock.advance(20 * minute);
    await now.registry.requestRenewal('file/a', 'cli', signal);
  }
  await settle();
  assert.ok(ca.newOrders.length > 8);
  ca.script = () => undefined;
  await clock.advance(20 * minute);
  await now.registry.requestRenewal('file/a', 'cli', signal);
  await settle();
  assert.notEqual(now.registry.entry('file/a')?.current, undefined);
});

test('what the CA was not asked for is no order: after hours without a network the budget for new orders is whole', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  const limits = new Map([['ca', { orders: { amount: 5, perMs: 300 * hour } }]]);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)], limits });
  ca.script = () => ({ fail: 'issuer.unreachable', scope: 'issuer', nothingOrdered: true });
  await now.apply(spec('file/a'));
  for (let asked = 0; asked < 8; asked += 1) {
    await clock.advance(2 * minute);
    await now.registry.requestRenewal('file/a', 'cli', signal);
  }
  await settle();
  assert.ok(ca.calls.length > 5, `asked ${ca.calls.length} times`);
  ca.script = () => undefined;
  await clock.advance(2 * minute);
  await now.registry.requestRenewal('file/a', 'cli', signal);
  await settle();
  assert.notEqual(now.registry.entry('file/a')?.current, undefined);
});

test('never (§5.5): a CA that is down is asked less and less often, although the first step of an order asks it nothing', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)], concurrency: 1 });
  ca.script = (step) => (step === 'key' ? { fail: 'issuer.unreachable', scope: 'issuer' } : undefined);
  await now.apply(...Array.from({ length: 40 }, (_, i) => spec(`file/c${i}`)));
  await settle();
  const asked = (): number => ca.calls.filter(({ step }) => step === 'key').length;
  const atFirst = asked();
  await clock.advance(10 * minute);
  assert.ok(asked() - atFirst <= 13, `${asked() - atFirst} times in ten minutes`);
  ca.script = () => undefined;
  await clock.advance(day);
  assert.equal(ca.issued.length, 40);
});

test('never (§5.5): after each pause one order finds out whether a CA that was down is back, whatever the concurrency', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)], concurrency: 8 });
  const gate = Promise.withResolvers<void>();
  let back = false;
  ca.script = (step) => {
    if (step !== 'key') return undefined;
    return back ? { after: gate.promise } : { fail: 'issuer.unreachable', scope: 'issuer' };
  };
  await now.apply(...Array.from({ length: 40 }, (_, i) => spec(`file/c${i}`)));
  await settle();
  const atFirst = ca.newOrders.length;
  assert.ok(atFirst <= 8, `${atFirst} at first`);
  await clock.advance(10 * minute);
  const probes = ca.newOrders.length - atFirst;
  assert.ok(probes >= 9 && probes <= 13, `${probes} times in ten minutes`);
  back = true;
  await clock.advance(2 * minute);
  assert.equal(now.scheduler.stats().inFlight, 1, 'the others wait for what the first one finds');
  const reasons = now.registry.certificates().map(({ record }) => now.scheduler.decision(record.id)?.reason.message);
  assert.ok(
    reasons.some((reason) => reason?.includes('one certificate at a time')),
    reasons.join('\n'),
  );
  gate.resolve();
  await settle();
  assert.ok(ca.mostInFlight > 1, 'it is back for all');
  await clock.advance(day);
  assert.equal(ca.issued.length, 40);
});

test('never (§5.11): a full disk that was met while the clock was ahead is not waited for until that time comes', async () => {
  const clock = new ManualClock();
  const store = new MemoryStore();
  const ca = new ScriptedCa(clock, 90 * day);
  await using now = await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)] });
  const right = clock.now();
  await clock.jumpTo(right + 365 * day);
  store.beforeWrite = (_, kind) => {
    if (kind === 'order') throw new Error('ENOSPC');
  };
  await now.apply(spec('file/a'));
  await settle();
  store.beforeWrite = undefined;
  await clock.jumpTo(right);
  now.scheduler.lookAgain(); // as every minute
  await settle();
  assert.equal(now.registry.entry('file/a')?.current?.number, 1);
});
