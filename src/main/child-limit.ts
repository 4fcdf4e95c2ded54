/** The end of a child's stop: what does not end in time is killed, and what not even that ends is left behind. */
import type { ChildProcess } from 'node:child_process';
import type { Log } from '../core/ports/log.ts';

export interface ChildLimits {
  /** A child says at once how long its stop takes at most. One that does not hangs as a whole. */
  readonly answerMs: number;
  readonly marginMs: number;
  /** A killed process stays only where it waits in the kernel, for a dead disk say. */
  readonly killMs: number;
}

const defaults: ChildLimits = { answerMs: 10_000, marginMs: 3_000, killMs: 2_000 };

export interface ChildLimit extends Disposable {
  /** The child has said how long it needs. */
  allow(ms: number): void;
}

export interface ChildLimitOptions {
  readonly name: string;
  readonly log: Log;
  readonly stop: AbortSignal;
  readonly limits?: ChildLimits | undefined;
  /** It was killed, and is there still. */
  readonly onLeftBehind: () => void;
}

/** Counts from the stop on. */
export function limitChild(child: ChildProcess, options: ChildLimitOptions): ChildLimit {
  const { name, log, stop, onLeftBehind, limits: { answerMs, marginMs, killMs } = defaults } = options;
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      log.error(`${name} has not stopped within ${ms / 1000} s and is killed.`, { child: name, pid: child.pid });
      child.kill('SIGKILL');
      timer = setTimeout(onLeftBehind, killMs);
    }, ms);
  };
  const onStop = (): void => wait(answerMs);
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop);
  return {
    allow: (ms) => {
      if (timer !== undefined) wait(ms + marginMs);
    },
    [Symbol.dispose]() {
      stop.removeEventListener('abort', onStop);
      clearTimeout(timer);
    },
  };
}
