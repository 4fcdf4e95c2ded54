import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../../src/core/ports/clock.ts';

/**
 * A clock for real servers on which orders wait `factor` times less than they think. `sleep`, which guards requests,
 * keeps the wall's speed: a busy machine must not turn into timeouts.
 */
export function scaledClock(factor = 25): Clock {
  const start = Date.now();
  const now = () => start + (Date.now() - start) * factor;
  return {
    now,
    async waitUntil(at, signal) {
      signal.throwIfAborted();
      for (let left = at - now(); left > 0; left = at - now())
        await delay(Math.ceil(left / factor), undefined, { signal });
    },
    sleep: async (ms, signal) => await delay(ms, undefined, { signal }),
  };
}
