import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FieldNames, nextHash } from '../../../src/terminator/head-text/field-names.ts';

function find(names: FieldNames<'host' | 'connection'>, name: string, around = ''): [string, string | undefined] {
  const text = around + name + around;
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = nextHash(hash, name.charCodeAt(i));
  const { text: found, special } = names.find(text, around.length, around.length + name.length, hash);
  return [found, special];
}

test('a name comes out as it was written, however often and whatever was asked for before', () => {
  const names = new FieldNames(['host', 'connection']);
  const name = fc.oneof(
    fc.constantFrom('Host', 'host', 'HOST', 'Connection', 'connection', 'X-A'),
    fc.string({ unit: fc.constantFrom('a', 'B', '-', '1'), minLength: 1, maxLength: 60 }),
  );
  fc.assert(
    fc.property(name, fc.constantFrom('', ': ', 'é'), (written, around) => {
      const lower = written.toLowerCase();
      const special = lower === 'host' || lower === 'connection' ? lower : undefined;
      assert.deepEqual(find(names, written, around), [written, special]);
    }),
    { numRuns: 3_000 },
  );
});

test('two names with the same hash are told apart', () => {
  const names = new FieldNames(['host', 'connection']);
  // 'Aa' and 'BB' have the same hash.
  for (const name of ['xAa', 'xBB', 'xAa', 'xBB']) assert.deepEqual(find(names, name), [name, undefined]);
});
