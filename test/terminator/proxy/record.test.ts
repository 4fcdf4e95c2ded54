import assert from 'node:assert/strict';
import test from 'node:test';
import { traceIdOf } from '../../../src/terminator/proxy/record.ts';

test('the trace id is taken from a traceparent that is well-formed, and from no other', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  assert.equal(traceIdOf(`00-${id}-00f067aa0ba902b7-01`), id);
  assert.equal(traceIdOf(`cc-${id}-00f067aa0ba902b7-01-what-comes-later`), id);
  for (const bad of [
    undefined,
    '',
    `ff-${id}-00f067aa0ba902b7-01`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `00-${id.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${id}-00f067aa0ba902b7-01x`,
    `00-${id}-00f067aa0ba902b7`,
  ])
    assert.equal(traceIdOf(bad), undefined, String(bad));
});
