import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/core/duration.ts';

test('durations are read with their units and nothing else is one', () => {
  assert.equal(parseDuration('15m'), 900_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('90d'), 7_776_000_000);
  assert.equal(parseDuration('10y'), 315_360_000_000);
  assert.equal(parseDuration('500ms'), 500);
  for (const text of ['', '15', 'm', '1.5h', '-1h', '1h ', '1 h', '1H', `${'9'.repeat(30)}d`])
    assert.equal(parseDuration(text), undefined, text);
});

test('durations are shown with their two largest units', () => {
  assert.equal(formatDuration(0), '0s');
  assert.equal(formatDuration(999), '1s');
  assert.equal(formatDuration(200_000), '3m 20s');
  assert.equal(formatDuration(90 * 86_400_000 + 4 * 3_600_000 + 1000), '90d 4h');
  assert.equal(formatDuration(365 * 86_400_000 + 3_000), '1y');
  assert.equal(formatDuration(-60_000), '1m');
});

test('what is shown can be read again, within the precision shown', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 50 * 31_536_000 }), (seconds) => {
      const read = parseDuration(formatDuration(seconds * 1000).replace(' ', ''));
      assert.ok(read !== undefined && read <= seconds * 1000);
    }),
  );
});
