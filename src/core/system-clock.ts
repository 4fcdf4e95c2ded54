import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from './ports/clock.ts';

/** Timers run on monotonic time and stop in a suspend, so a long wait looks at the wall clock again this often. */
const longestSliceMs = 30_000;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async waitUntil(at, signal) {
    signal.throwIfAborted();
    for (let left = at - Date.now(); left > 0; left = at - Date.now()) {
      await delay(Math.min(left, longestSliceMs), undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  },
  sleep: (ms, signal) => systemClock.waitUntil(Date.now() + ms, signal),
};
