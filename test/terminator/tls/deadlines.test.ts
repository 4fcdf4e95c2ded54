import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Deadlines, type DeadlineTimes } from '../../../src/terminator/tls/deadlines.ts';

/** Time that moves when told; at most one timer is ever set. */
class Times implements DeadlineTimes {
  at = 0;
  timer: { readonly due: number; readonly run: () => void } | undefined;
  timers = 0;

  now(): number {
    return this.at;
  }

  setTimer(run: () => void, ms: number): () => void {
    assert.equal(this.timer, undefined, 'one timer for all');
    this.timer = { due: this.at + ms, run };
    this.timers += 1;
    return () => (this.timer = undefined);
  }

  advance(ms: number): void {
    const end = this.at + ms;
    while (this.timer !== undefined && this.timer.due <= end) {
      const { due, run } = this.timer;
      this.at = due;
      this.timer = undefined;
      run();
    }
    this.at = end;
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const) }),
  fc.record({ kind: fc.constant('delete' as const), index: fc.nat(20) }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(60) }),
);

test('each entry expires at its time unless it was deleted, and an empty list has no timer', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const times = new Times();
      const expired = new Map<object, number>();
      const deadlines = new Deadlines<object>((entry) => expired.set(entry, times.at), times);
      const entries: { readonly entry: object; readonly due: number; deleted: boolean }[] = [];
      for (const one of steps) {
        if (one.kind === 'add') {
          const entry = {};
          entries.push({ entry, due: times.at + 50, deleted: false });
          deadlines.add(entry, 50);
        } else if (one.kind === 'delete') {
          const victim = entries[one.index];
          if (victim === undefined || expired.has(victim.entry)) continue;
          victim.deleted = true;
          deadlines.delete(victim.entry);
        } else times.advance(one.ms);
        for (const { entry, due, deleted } of entries) {
          const isDue = !deleted && due <= times.at;
          assert.equal(expired.has(entry), isDue);
          if (isDue) assert.ok((expired.get(entry) ?? 0) - due <= 1, 'on time');
        }
      }
      times.advance(200);
      assert.deepEqual([deadlines.size, times.timer], [0, undefined]);
    }),
  );
});

test('a thousand entries that come and go take a handful of timers', () => {
  const times = new Times();
  const deadlines = new Deadlines<object>(() => assert.fail('none was due'), times);
  for (let i = 0; i < 1_000; i += 1) {
    const entry = {};
    deadlines.add(entry, 1_000);
    times.advance(1);
    deadlines.delete(entry);
  }
  times.advance(2_000);
  assert.ok(times.timers <= 3, `${times.timers}`);
});

test('clearing gives back what was under way and leaves no timer', () => {
  const times = new Times();
  const deadlines = new Deadlines<object>(() => assert.fail('cleared'), times);
  const entry = {};
  deadlines.add(entry, 10);
  assert.deepEqual(deadlines.clear(), [entry]);
  assert.equal(times.timer, undefined);
});
