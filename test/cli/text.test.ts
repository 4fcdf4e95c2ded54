import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clean, facts, painter, plural, table, when, whenShort } from '../../src/cli/text.ts';

const plain = painter({ write: () => undefined }, {});
const now = Date.parse('2026-01-01T00:00:00Z');

test('columns line up whatever is in them, and no line ends in a space', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '\u001b', '|') }).map((text) => ({ text }));
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell), { maxLength: 5 }), (rows) => {
      const lines = table(['A', 'BB', 'C'], rows, plain).trimEnd().split('\n');
      const expected = rows.map((row) => row.map(({ text }) => clean(text)));
      assert.ok(lines.length <= rows.length + 1);
      const second = Math.max(1, ...expected.map(([first = '']) => first.length)) + 2;
      for (const [i, line] of lines.entries()) {
        assert.equal(line, line.trimEnd());
        if (i > 0) assert.equal(line.slice(second).startsWith((expected[i - 1]?.[1] ?? '').trimEnd()), true);
      }
    }),
  );
});

test('nothing that comes from elsewhere can move the cursor or turn the text around', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      // oxlint-disable-next-line no-control-regex -- that is what must not be there
      assert.doesNotMatch(clean(text), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  assert.equal(clean('a\u001b[31mb\r\nc'), 'a [31mb c');
});

test('times are relative and absolute', () => {
  const io = { now: () => now };
  assert.equal(when('2026-01-04T04:00:00Z', io), '2026-01-04 04:00:00 UTC (in 3d 4h)');
  assert.equal(when('2025-12-31T23:00:00Z', io), '2025-12-31 23:00:00 UTC (1h ago)');
  assert.equal(whenShort('2026-01-01T00:00:00Z', io), 'now');
  assert.equal(whenShort(null, io), '-');
  assert.equal(when('odd\u0007', io), 'odd ');
});

test('facts are aligned, and counts have their words', () => {
  assert.equal(
    facts(
      [
        ['a', 'one'],
        ['long', { text: '' }],
      ],
      plain,
    ),
    '  a     one\n  long\n',
  );
  assert.deepEqual(
    [plural(1, 'error'), plural(2, 'error'), plural(0, 'entry', 'entries')],
    ['1 error', '2 errors', '0 entries'],
  );
});
