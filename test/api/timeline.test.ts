import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { timeline, type Ends } from '../../src/api/timeline.ts';

const minute = 60_000;
const day = 86_400_000;
const now = Date.parse('2026-01-01T00:00:00Z');

function ends(count: number, { renewIn, endIn }: { renewIn: number; endIn: number }): Ends[] {
  return Array.from({ length: count }, (_, i) => ({ renewAt: now + renewIn + i, notAfter: now + endIn + i }));
}

function busy(all: readonly Ends[]): number {
  return timeline(all, now).filter(({ expiring, renewing }) => expiring + renewing > 0).length;
}

test('spans are equal while dates are spread over them', () => {
  const spread = Array.from({ length: 90 }, (_, i) => ({ renewAt: now + i * day, notAfter: now + (i + 1) * day }));
  const spans = timeline(spread, now);
  const widths = new Set(spans.map(({ start, end }) => Date.parse(end) - Date.parse(start)));
  assert.deepEqual([...widths], [(90 * day) / 24]);
});

test('one far expiry does not put what is near into one bar', () => {
  const near = [
    ...ends(1, { renewIn: 3 * minute, endIn: 11 * minute }),
    ...ends(1, { renewIn: 7 * minute, endIn: 15 * minute }),
  ];
  const far = ends(1, { renewIn: 2_400 * day, endIn: 3_650 * day });
  assert.equal(busy([...near, ...far]), 4, 'three bars for the four near dates, one for the far ones');
  const fleet = ends(40, { renewIn: 30 * day, endIn: 60 * day });
  const spans = timeline([...near, ...fleet, ...far], now);
  assert.ok(spans.filter(({ expiring }) => expiring > 0).length >= 3);
  assert.equal(Math.max(...spans.map(({ expiring }) => expiring)), 40);
});

test('whatever the dates: the spans follow each other from now to the last expiry, and each date is counted once', () => {
  const future = fc.integer({ min: 1, max: 4_000 * day });
  fc.assert(
    fc.property(fc.array(fc.record({ renewIn: future, endIn: future }), { minLength: 1, maxLength: 60 }), (all) => {
      const certificates = all.map(({ renewIn, endIn }) => ({ renewAt: now + renewIn, notAfter: now + endIn }));
      const spans = timeline(certificates, now);
      const last = Math.max(...certificates.map(({ notAfter }) => notAfter));
      assert.equal(spans.length, 24);
      assert.deepEqual(
        [spans[0]?.start, spans.at(-1)?.end],
        [now, last].map((at) => new Date(at).toISOString()),
      );
      for (const [i, { start, end }] of spans.entries()) {
        assert.ok(start <= end);
        if (i > 0) assert.equal(start, spans[i - 1]?.end);
      }
      const sum = (what: 'expiring' | 'renewing') => spans.reduce((total, span) => total + span[what], 0);
      assert.equal(sum('expiring'), all.length);
      assert.equal(sum('renewing'), certificates.filter(({ renewAt }) => renewAt <= last).length);
    }),
  );
});

test('what has ended is not ahead, and without an end ahead there is nothing to draw', () => {
  assert.deepEqual(
    timeline(
      [
        { renewAt: now + day, notAfter: now - 1 },
        { renewAt: undefined, notAfter: undefined },
      ],
      now,
    ),
    [],
  );
});
