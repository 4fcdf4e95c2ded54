import assert from 'node:assert/strict';
import test from 'node:test';
import { compilePattern, longestPathFor, statesOf } from '../../../src/terminator/routing/path-pattern.ts';

test('the states of a pattern are counted as the engine writes it out', () => {
  const cases: Record<string, number> = {
    '': 0,
    '/v1': 3,
    '/v[0-9]+/': 6,
    '\\.\\d': 2,
    '[^/(){2}]*': 2,
    '(?:ab){4}': 10,
    '(a{2,}b)?': 5,
    '(?<x>a{1,16})': 17,
    '((a+)+)+': 15,
    'a{,3}': 5,
  };
  for (const [pattern, states] of Object.entries(cases)) {
    compilePattern(pattern);
    assert.equal(statesOf(pattern), states, pattern);
  }
});

test('never (§5.14): patterns that are large together see short paths only; usual ones see any', () => {
  const uuid = '/users/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/?';
  assert.equal(longestPathFor(statesOf(uuid)), 8_192);
  const worst = `/(?:${'.*'.repeat(240)}){16}x`;
  assert.ok(longestPathFor(statesOf(worst)) < 300);
  assert.equal(longestPathFor(0), 8_192);
});
