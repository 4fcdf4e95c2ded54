import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { KeyedHeap } from '../../src/schedule/heap.ts';
import { ReadyQueue } from '../../src/schedule/ready-queue.ts';

test('the heap gives keys in order of their number, whatever was set, set again and deleted before', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
  const move = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('set' as const), key, at: fc.integer({ min: 0, max: 50 }) }),
    },
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.constant({ kind: 'pop' as const }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 200 }), (moves) => {
      const heap = new KeyedHeap();
      const model = new Map<string, number>();
      const least = (): number | undefined => (model.size === 0 ? undefined : Math.min(...model.values()));
      for (const one of moves) {
        if (one.kind === 'set') {
          heap.set(one.key, one.at);
          model.set(one.key, one.at);
        } else if (one.kind === 'delete') {
          assert.equal(heap.delete(one.key), model.delete(one.key));
        } else {
          const expected = least();
          const popped = heap.pop();
          assert.equal(popped?.at, expected);
          if (popped !== undefined) assert.equal(model.get(popped.key), popped.at);
          model.delete(popped?.key ?? '');
        }
        assert.equal(heap.size, model.size);
        assert.equal(heap.peek()?.at, least());
        for (const name of 'abcdefgh') assert.equal(heap.has(name), model.has(name));
      }
    }),
  );
});

test('the ready queue takes the first of the queues that are open, and knows each id once', () => {
  const ready = new ReadyQueue();
  const one = { issuer: 'one', starts: true };
  const two = { issuer: 'two', starts: true };
  const begunAtTwo = { issuer: 'two', starts: false };
  ready.set('slow', one, 1);
  ready.set('late', two, 9);
  ready.set('soon', two, 5);
  ready.set('begun', begunAtTwo, 4);
  assert.deepEqual(
    ready.pop(({ issuer, starts }) => issuer === 'two' && starts),
    { id: 'soon', queue: two },
  );
  ready.set('slow', two, 20);
  assert.equal(ready.size, 3);
  assert.equal(
    ready.pop(({ issuer }) => issuer === 'one'),
    undefined,
  );
  assert.deepEqual(
    ready.pop(() => true),
    { id: 'begun', queue: begunAtTwo },
  );
  ready.set('late', begunAtTwo, 30);
  assert.deepEqual(
    ready.pop(({ starts }) => !starts),
    { id: 'late', queue: begunAtTwo },
  );
  ready.delete('slow');
  ready.delete('slow');
  assert.equal(ready.size, 0);
});
