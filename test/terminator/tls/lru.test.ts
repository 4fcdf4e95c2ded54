import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Lru } from '../../../src/terminator/tls/lru.ts';

const step = fc.record({ kind: fc.constantFrom('set' as const, 'get' as const, 'delete' as const), key: fc.nat(12) });

test('never more than the limit, never a wrong value, and what was used just now is still there', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.array(step, { maxLength: 80 }), (limit, steps) => {
      const lru = new Lru<number, string>(limit);
      let last: number | undefined;
      for (const { kind, key } of steps) {
        if (kind === 'delete') {
          lru.delete(key);
          assert.equal(lru.has(key), false);
          if (last === key) last = undefined;
          continue;
        }
        if (kind === 'set') lru.set(key, `value ${key}`);
        const found = lru.get(key);
        if (kind === 'set') assert.equal(found, `value ${key}`);
        else assert.ok(found === undefined || found === `value ${key}`);
        if (last !== undefined) assert.equal(lru.has(last), true, 'the one before');
        last = found === undefined ? last : key;
        assert.ok(lru.size <= limit);
      }
      lru.deleteWhere((key) => key % 2 === 0);
      for (let key = 0; key <= 12; key += 2) assert.equal(lru.get(key), undefined);
    }),
  );
});

test('of a full one, what is used again and again outlives what is not', () => {
  const lru = new Lru<number, true>(10);
  for (let key = 0; key < 1_000; key += 1) {
    lru.set(key, true);
    lru.get(0);
  }
  assert.equal(lru.get(0), true);
  assert.equal(lru.size, 10);
});
