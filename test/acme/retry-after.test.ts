import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { longestRetryAfterMs, parseRetryAfter } from '../../src/acme/retry-after.ts';

const now = Date.parse('2026-03-01T12:00:00Z');

test('all three forms of an HTTP date and seconds mean the same point in time', () => {
  const at = Date.parse('2026-03-06T08:49:37Z');
  assert.equal(parseRetryAfter('Fri, 06 Mar 2026 08:49:37 GMT', now), at);
  assert.equal(parseRetryAfter('Friday, 06-Mar-26 08:49:37 GMT', now), at);
  assert.equal(parseRetryAfter('Fri Mar  6 08:49:37 2026', now), at);
  assert.equal(parseRetryAfter(` ${(at - now) / 1000} `, now), at);
});

test('a date in the past means now, and nothing is put off for more than 30 days', () => {
  assert.equal(parseRetryAfter('Sun, 06 Nov 1994 08:49:37 GMT', now), now);
  assert.equal(parseRetryAfter('999999999999', now), now + longestRetryAfterMs);
  assert.equal(parseRetryAfter('Fri, 06 Mar 2099 08:49:37 GMT', now), now + longestRetryAfterMs);
});

test('what is neither seconds nor a date is as good as nothing', () => {
  for (const value of [undefined, '', '-5', '1.5', '1e3', 'soon', '2026-03-06', 'Fri, 99 Mar 2026 08:49:37 GMT'])
    assert.equal(parseRetryAfter(value, now), undefined, value ?? 'no header');
});

test('any seconds and any date give a time between now and 30 days from now', () => {
  fc.assert(
    fc.property(fc.nat({ max: 10_000_000 }), (seconds) => {
      const expected = Math.min(now + seconds * 1000, now + longestRetryAfterMs);
      assert.equal(parseRetryAfter(String(seconds), now), expected);
      const date = new Date(now + seconds * 1000).toUTCString();
      assert.equal(parseRetryAfter(date, now), expected);
    }),
  );
});

test('no text makes it throw or leave its bounds', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const at = parseRetryAfter(text, now);
      assert.ok(at === undefined || (at >= now && at <= now + longestRetryAfterMs));
    }),
  );
});
