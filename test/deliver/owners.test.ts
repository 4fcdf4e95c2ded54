import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findId } from '../../src/deliver/owners.ts';

const table = 'root:x:0:0:root:/root:/bin/bash\n# comment\nwww-data:x:33:33::/var/www:\nbroken\nodd:x:-4:0\nhalf:x\n\n';

test('a name is found by its whole first field and gives the third', () => {
  assert.equal(findId(table, 'root'), 0);
  assert.equal(findId(table, 'www-data'), 33);
  for (const name of ['www', 'broken', 'odd', 'half', '', 'x', 'root:x', 'ROOT'])
    assert.equal(findId(table, name), undefined);
});

test('whatever the table holds, the answer is a number that stands there beside the name, or nothing', () => {
  const line = fc
    .array(fc.constantFrom('a', 'b', 'x', '0', '12', ''), { maxLength: 5 })
    .map((parts) => parts.join(':'));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom('a', 'b', ''), (lines, name) => {
      const expected = lines
        .map((text) => text.split(':'))
        .find(([first, , id]) => first === name && /^\d+$/.test(id ?? ''));
      assert.equal(findId(lines.join('\n'), name), expected === undefined ? undefined : Number(expected[2]));
    }),
  );
});
