/**
 * A stop has an end. What hangs in it (a delivery to a network file system that is gone, say) is named in the log, and
 * the process ends without it: everything kept is durable when it is kept, and a kill may come at any time as well.
 */
import type { Log } from '../core/ports/log.ts';
import type { StopSignals } from './stop.ts';

const defaultLimitMs = 10_000;

export interface StopLimitOptions {
  readonly signals: StopSignals;
  /** So long open connections may go on; the limit comes on top of it. */
  readonly openMs?: (() => number) | undefined;
  /** What is waited for now. */
  readonly waitingFor: () => readonly string[];
  readonly log: Log;
  readonly limitMs?: number | undefined;
}

/** From the first stop signal on; a later one ("now") leaves no time for open connections. */
export function limitStop(options: StopLimitOptions): void {
  const { signals, openMs = () => 0, waitingFor, log, limitMs = defaultLimitMs } = options;
  let timer: NodeJS.Timeout | undefined;
  const allow = (ms: number): void => {
    signals.endsWithin(ms);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const named = waitingFor();
      // Nothing of ours is left, and still the process does not end: say what kind of thing keeps it.
      const kept = named.length > 0 ? named : [...new Set(process.getActiveResourcesInfo())];
      log.error(`The stop took longer than ${ms / 1000} s and ends without waiting for: ${kept.join(', ')}.`);
      process.exit(1);
    }, ms);
    timer.unref();
  };
  signals.stop.addEventListener('abort', () => allow(openMs() + limitMs), { once: true });
  signals.force.addEventListener('abort', () => allow(limitMs), { once: true });
}
