import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from './ports/clock.ts';

/** Timers run on monotonic time and stop in a suspend, so a long wait looks at the wall clock again this often. */
const longestSliceMs = 30_000;
/** The longest a timer can be. */
const longestTimerMs = 2_147_483_647;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async waitUntil(at, signal) {
    signal.throwIfAborted();
    for (let left = at - Date.now(); left > 0; left = at - Date.now()) {
      await pause(Math.min(left, longestSliceMs), signal);
    }
  },
  async sleep(ms, signal) {
    signal.throwIfAborted();
    const end = performance.now() + ms;
    for (let left = ms; left > 0; left = end - performance.now()) await pause(Math.min(left, longestTimerMs), signal);
  },
};

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}
