import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextAttemptAt } from '../../src/core/backoff.ts';
import { planRenewal } from '../../src/core/renewal.ts';

const day = 86_400_000;
const hour = 3_600_000;
const start = Date.parse('2026-03-01T00:00:00Z');

function share(lifetimeMs: number): number {
  const { at } = planRenewal('file/shop', { notBefore: start, notAfter: start + lifetimeMs, serial: '01' });
  return (at - start) / lifetimeMs;
}

test('renewal is at 2/3 of the lifetime, at 1/2 when it is under 10 days, brought forward a little', () => {
  for (const lifetime of [90 * day, 64 * day, 45 * day, 10 * day])
    assert.ok(share(lifetime) > 0.63 && share(lifetime) <= 2 / 3);
  for (const lifetime of [160 * hour, hour, 900_000]) assert.ok(share(lifetime) > 0.46 && share(lifetime) <= 0.5);
});

test("a point in ARI's window is chosen once and comes before the lifetime rule", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 30 * day }), (id, serial, length) => {
      const version = { notBefore: start, notAfter: start + 90 * day, serial };
      const window = { start: start + day, end: start + day + length };
      const plan = planRenewal(id, version, window);
      assert.equal(plan.basis, 'ari');
      assert.ok(plan.at >= window.start && plan.at <= window.end);
      assert.deepEqual(planRenewal(id, version, window), plan);
    }),
  );
});

test('an empty ARI window is ignored', () => {
  const version = { notBefore: start, notAfter: start + 90 * day, serial: '01' };
  assert.equal(planRenewal('file/shop', version, { start: start + 5, end: start + 5 }).basis, 'lifetime');
});

test('a renewal always leaves time before the end, whatever the lifetime', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 60_000, max: 400 * day }), (id, lifetime) => {
      const { at } = planRenewal(id, { notBefore: start, notAfter: start + lifetime, serial: 'AB' });
      assert.ok(at > start && start + lifetime - at >= lifetime * 0.33);
    }),
  );
});

test('retries follow 1 min, 10 min, 100 min, then daily', () => {
  const waits = [1, 2, 3, 4, 5, 50].map((failures) => nextAttemptAt({ now: start, failures }) - start);
  assert.deepEqual(waits, [60_000, 600_000, 6_000_000, day, day, day]);
});

test('a retry waits at most an eighth of the life that is left, and at least ten seconds', () => {
  assert.equal(nextAttemptAt({ now: start, failures: 4, notAfter: start + 8 * hour }) - start, hour);
  assert.equal(nextAttemptAt({ now: start, failures: 4, notAfter: start + 1_000 }) - start, 10_000);
});

function waitAfterEnd(failures: number, lifetimeMs?: number): number {
  return nextAttemptAt({ now: start, failures, notAfter: start - 1, lifetimeMs }) - start;
}

test('what has ended is tried at least hourly, and at most every minute: it is missed, and no CA is hammered (§5.5)', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 50].map((failures) => waitAfterEnd(failures, 90 * day)),
    [60_000, 600_000, hour, hour, hour],
  );
  assert.deepEqual(
    [1, 2, 50].map((failures) => waitAfterEnd(failures, 900_000)),
    [60_000, 112_500, 112_500],
    'an eighth of its lifetime, where that is less',
  );
  assert.equal(waitAfterEnd(50, 60_000), 60_000);
  assert.equal(waitAfterEnd(50), hour, 'the lifetime is not known');
});

test('where nothing was ever issued, an eighth of the lifetime that is asked for is the longest pause', () => {
  assert.equal(nextAttemptAt({ now: start, failures: 9, lifetimeMs: 900_000 }) - start, 112_500);
  assert.equal(nextAttemptAt({ now: start, failures: 9 }) - start, day);
});

test('Retry-After always wins (§5.5)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 99 }),
      fc.integer({ min: 0, max: 9 * day }),
      fc.integer({ min: 1, max: 90 * day }),
      (failures, wait, left) => {
        const at = nextAttemptAt({ now: start, failures, notAfter: start + left, retryAt: start + wait });
        assert.ok(at >= start + wait && at >= start + 10_000);
      },
    ),
  );
});
