import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Limits, type LimitReason } from '../../../src/terminator/accept/limits.ts';

const none = { connections: 0, connectionsPerClient: 0, handshakesPerSecond: 0 };

interface Watched {
  readonly limits: Limits;
  readonly reasons: LimitReason[];
  readonly full: boolean[];
  now: number;
}

function watch(limits: Partial<typeof none>): Watched {
  const watched: Watched = {
    limits: undefined as unknown as Limits,
    reasons: [],
    full: [],
    now: 1_000,
  };
  const made = new Limits(
    { ...none, ...limits },
    {
      now: () => watched.now,
      onLimit: (reason) => watched.reasons.push(reason),
      onFull: (full) => watched.full.push(full),
    },
  );
  return Object.assign(watched, { limits: made });
}

test('at the limit of connections nothing more is accepted until there is room again', () => {
  const { limits, reasons, full } = watch({ connections: 2 });
  limits.opened();
  assert.deepEqual(full, []);
  limits.opened();
  assert.deepEqual([full, reasons], [[true], ['connections']]);
  limits.closed();
  assert.deepEqual(full, [true, false]);
  limits.opened();
  limits.opened(); // was accepted before the listener stopped
  limits.closed();
  assert.deepEqual(full, [true, false, true], 'still none free');
  limits.closed();
  assert.deepEqual(full, [true, false, true, false]);
  assert.equal(reasons.length, 2);
});

test('a large limit makes some room before anything is accepted again', () => {
  const { limits, full } = watch({ connections: 320 });
  for (let i = 0; i < 320; i += 1) limits.opened();
  for (let i = 0; i < 9; i += 1) limits.closed();
  assert.deepEqual(full, [true]);
  limits.closed();
  assert.deepEqual(full, [true, false]);
});

test('a changed limit is in effect at once', () => {
  const { limits, full } = watch({});
  for (let i = 0; i < 5; i += 1) limits.opened();
  limits.configure({ ...none, connections: 5 });
  assert.deepEqual(full, [true]);
  limits.configure({ ...none, connections: 6 });
  assert.deepEqual(full, [true, false]);
  limits.configure({ ...none, connections: 1 });
  limits.configure(none);
  assert.deepEqual(full, [true, false, true, false]);
});

test('connections of one client are counted by address, of IPv6 by network', () => {
  const { limits, reasons } = watch({ connectionsPerClient: 2 });
  const first = limits.admit('192.0.2.1');
  assert.ok(first !== undefined && limits.admit('192.0.2.1') !== undefined);
  assert.equal(limits.admit('192.0.2.1'), undefined);
  assert.ok(limits.admit('192.0.2.2') !== undefined);
  limits.release(first);
  assert.ok(limits.admit('192.0.2.1') !== undefined);
  assert.ok(limits.admit('2001:db8::1') !== undefined && limits.admit('2001:db8::2') !== undefined);
  assert.equal(limits.admit('2001:db8::3'), undefined);
  assert.ok(limits.admit('2001:db8:0:1::3') !== undefined);
  assert.deepEqual(reasons, ['connections-per-client', 'connections-per-client']);
});

test('without a limit nothing is counted, and what came before a limit does not count', () => {
  const { limits, reasons } = watch({});
  const early = limits.admit('192.0.2.1') as string;
  limits.configure({ ...none, connectionsPerClient: 1 });
  const counted = limits.admit('192.0.2.1');
  assert.ok(counted !== undefined);
  limits.release(early);
  assert.equal(limits.admit('192.0.2.1'), undefined);
  limits.release(counted);
  assert.ok(limits.admit('192.0.2.1') !== undefined);
  for (let i = 0; i < 100; i += 1) assert.ok(limits.admitHandshake());
  assert.deepEqual(reasons, ['connections-per-client']);
});

test('handshakes: those of one second at once, then at the rate', () => {
  const watched = watch({ handshakesPerSecond: 10 });
  const { limits, reasons } = watched;
  const admitted = (tries: number): number =>
    Array.from({ length: tries }, () => limits.admitHandshake()).filter(Boolean).length;
  assert.equal(admitted(15), 10);
  assert.deepEqual(reasons.length, 5);
  watched.now += 99;
  assert.equal(admitted(1), 0);
  watched.now += 1;
  assert.equal(admitted(2), 1);
  watched.now += 60_000;
  assert.equal(admitted(100), 10, 'no more than one second is saved up');
  limits.configure({ ...none, handshakesPerSecond: 1_000 });
  watched.now += 500;
  assert.equal(admitted(1_000), 500);
  limits.configure({ ...none, handshakesPerSecond: 5 });
  watched.now += 5_000;
  assert.equal(admitted(10), 5);
});

test('property: over any time no more handshakes begin than one second saved up and the rate allow', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(700), { maxLength: 80 }), (rate, gaps) => {
      const watched = watch({ handshakesPerSecond: rate });
      let admitted = 0;
      for (const gap of gaps) {
        watched.now += gap;
        for (let i = 0; i < 10; i += 1) if (watched.limits.admitHandshake()) admitted += 1;
      }
      assert.ok(admitted <= rate + ((watched.now - 1_000) * rate) / 1_000 + 1e-6);
    }),
  );
});
