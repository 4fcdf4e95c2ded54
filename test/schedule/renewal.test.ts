import assert from 'node:assert/strict';
import test from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedCa, ScriptedIssuer } from '../support/scripted-issuer.ts';
import { day, hour, minute, plant, signal, spec } from './support/plant.ts';

/** Jumps from wake-up to wake-up, so that months cost no more than the work in them. */
async function run(clock: ManualClock, forMs: number): Promise<void> {
  await clock.advance(forMs);
}

const cases = [
  { words: '90 days', lifetime: 90 * day, share: 2 / 3, start: '2026-01-10T00:00:00Z' },
  { words: '45 days', lifetime: 45 * day, share: 2 / 3, start: '2026-03-01T00:00:00Z' },
  { words: '160 hours', lifetime: 160 * hour, share: 1 / 2, start: '2026-03-27T00:00:00Z' },
  { words: '15 minutes', lifetime: 15 * minute, share: 1 / 2, start: '2026-03-29T00:50:00Z' },
] as const;

for (const { words, lifetime, share, start } of cases) {
  test(`never (§5.11): ${words} are renewed at ${share === 1 / 2 ? '1/2' : '2/3'}, once each, across a DST change and a 3-day suspend`, async () => {
    process.env['TZ'] = 'Europe/Berlin'; // 2026-03-29 02:00 does not exist there
    const clock = new ManualClock(start);
    const ca = new ScriptedCa(clock, lifetime);
    await using one = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)] });
    await one.apply(spec('file/shop'));
    await run(clock, 1);
    assert.equal(ca.issued.length, 1);

    await run(clock, 5 * lifetime);
    const steady = ca.issued.length;
    for (const [index, issued] of ca.issued.entries()) {
      const next = ca.issued[index + 1];
      if (next === undefined) continue;
      const after = (next.at - issued.notBefore) / lifetime;
      assert.ok(after <= share && after >= share - 0.031, `renewed after ${after} of its lifetime`);
    }
    assert.ok(steady >= 1 + Math.floor(5 / share) - 1, `only ${steady} in five lifetimes`);

    await clock.jumpTo(clock.now() + 3 * day);
    await run(clock, 1);
    const suspended = ca.issued.length - steady;
    const current = one.registry.entry('file/shop')?.current;
    assert.ok(current !== undefined && current.notAfter > clock.now(), 'it is valid right after the suspend');
    assert.ok(suspended <= 1, `${suspended} renewals after one suspend`);
    assert.equal(ca.newOrders.length, ca.issued.length, 'as many orders as certificates');
    assert.deepEqual(ca.violations, []);
  });
}

test('a 15-minute certificate whose issuer is down for 5 minutes is renewed before it expires', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 15 * minute);
  await using one = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)] });
  await one.apply(spec('file/shop'));
  await run(clock, 1);
  const first = one.registry.entry('file/shop')?.current;
  assert.ok(first !== undefined);
  const due = one.scheduler.decision('file/shop')?.at ?? 0;
  await run(clock, due - clock.now() - 1);
  ca.script = (step) => (step === 'order' ? { fail: 'issuer.unreachable', scope: 'issuer' } : undefined);
  await run(clock, 5 * minute);
  assert.equal(one.registry.entry('file/shop')?.current?.id, first.id);
  assert.ok((one.registry.entry('file/shop')?.record.failures ?? 0) >= 2, 'it was tried more than once');
  ca.script = () => undefined;
  await run(clock, first.notAfter - clock.now() - 1);
  const second = one.registry.entry('file/shop')?.current;
  assert.notEqual(second?.id, first.id);
  assert.ok((second?.issuedAt ?? Infinity) < first.notAfter);
  assert.equal(one.registry.entry('file/shop')?.record.failures, 0);
});

test('never (§5.5): a certificate that ended while its CA is down is tried hourly, across a restart, and had when it is back', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  const issuers = [new ScriptedIssuer('ca', ca)];
  await using one = await plant({ clock, issuers });
  await one.apply(spec('file/shop'));
  await run(clock, 1);
  const { notAfter = 0 } = one.registry.entry('file/shop')?.current ?? {};
  const attempts: number[] = [];
  ca.script = (step) => {
    if (step !== 'order') return undefined;
    attempts.push(clock.now());
    return { fail: 'issuer.unreachable', scope: 'issuer' };
  };
  await run(clock, notAfter - clock.now() + 10 * hour);
  await using two = await one.restart();
  await run(clock, 10 * hour);
  const after = attempts.filter((at) => at > notAfter);
  assert.ok(after.length >= 19 && after.length <= 23, `${after.length} attempts in 20 hours`);
  for (const [i, at] of after.entries()) if (i > 0) assert.ok(at - (after[i - 1] ?? 0) >= minute);
  ca.script = () => undefined;
  await run(clock, hour);
  assert.ok((two.registry.entry('file/shop')?.current?.notAfter ?? 0) > clock.now());
});

test('a renewal that is asked for happens at once, and a second one while it runs is refused', async () => {
  const clock = new ManualClock();
  const ca = new ScriptedCa(clock, 90 * day);
  await using one = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)] });
  await one.apply(spec('file/shop'));
  await run(clock, 1);
  ca.script = (step) => (step === 'validate' && ca.calls.at(-2)?.step !== 'validate' ? { waitMs: minute } : undefined);
  await one.registry.requestRenewal('file/shop', 'cli', signal);
  const again = one.registry.requestRenewal('file/shop', 'cli', signal);
  await assert.rejects(again, (error) => hasCode(error, 'renewal.in-progress'));
  await run(clock, 1);
  assert.equal(one.registry.entry('file/shop')?.order?.step, 'validate');
  const during = one.registry.requestRenewal('file/shop', 'cli', signal);
  await assert.rejects(during, (error) => hasCode(error, 'renewal.in-progress'));
  assert.equal(one.scheduler.decision('file/shop')?.reason.code, 'order-waiting');
  await run(clock, minute);
  assert.equal(ca.issued.length, 2);
  assert.equal(one.registry.entry('file/shop')?.record.renewalRequestedAt, undefined);
  await assert.rejects(one.registry.requestRenewal('file/none', 'cli', signal), (error) =>
    hasCode(error, 'certificate.not-found'),
  );
});
