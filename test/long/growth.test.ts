import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice } from './fuzz-inputs.ts';
import { secondHalf, slope, type Point } from './growth.ts';

/** Thirty samples of memory with noise of 16 MB, and what leaks with each request. */
function samples(seed: number, leakBytes: number): Point[] {
  const dice = new Dice(seed);
  return Array.from({ length: 60 }, (_, i) => {
    const x = i * 4_000;
    const warmUp = Math.min(i, 15) * 2_000_000;
    return { x, y: 80_000_000 + warmUp + dice.number(16_000_000) + x * leakBytes };
  });
}

test('a leak of 500 bytes a request is told from noise, whatever happened in the first half', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const quiet = slope(secondHalf(samples(seed, 0)));
    const leaking = slope(secondHalf(samples(seed, 500)));
    assert.ok(Math.abs(quiet) < 150, `seed ${seed}: ${quiet}`);
    assert.ok(leaking > 350 && leaking < 650, `seed ${seed}: ${leaking}`);
  }
});

test('a line has its own slope, and samples at one place have none', () => {
  const rising = slope([
    { x: 1, y: 10 },
    { x: 2, y: 13 },
    { x: 4, y: 19 },
  ]);
  assert.ok(Math.abs(rising - 3) < 1e-9, `${rising}`);
  assert.equal(
    slope([
      { x: 2, y: 1 },
      { x: 2, y: 9 },
    ]),
    0,
  );
});
