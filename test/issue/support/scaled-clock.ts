import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../src/core/ports/clock.ts';

/** A clock for real servers that runs `factor` times as fast as the wall, so that polling intervals pass quickly. */
export function scaledClock(factor = 10): Clock {
  const start = Date.now();
  const now = () => start + (Date.now() - start) * factor;
  const waitUntil = async (at: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    for (let left = at - now(); left > 0; left = at - now())
      await delay(Math.ceil(left / factor), undefined, { signal });
  };
  return { now, waitUntil, sleep: async (ms, signal) => await waitUntil(now() + ms, signal) };
}
