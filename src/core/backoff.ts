/** When to try again after a failure (DESIGN §8). */

const minute = 60_000;
const day = 86_400_000;
/** Let's Encrypt's own advice: 1 min, 10 min, 100 min, then daily. */
const ladderMs = [minute, 10 * minute, 100 * minute, day] as const;
const leastMs = 10_000;

export interface RetryInput {
  readonly now: number;
  /** Failures in a row, the latest included; at least 1. */
  readonly failures: number;
  /** End of the certificate in use, if there is one; a retry never waits longer than 1/8 of what is left. */
  readonly notAfter?: number | undefined;
  /** The CA's Retry-After, milliseconds since the epoch. Always wins. */
  readonly retryAt?: number | undefined;
}

/** Milliseconds since the epoch. */
export function nextAttemptAt({ now, failures, notAfter, retryAt }: RetryInput): number {
  const ladder = ladderMs[Math.min(failures, ladderMs.length) - 1] ?? day;
  const left = notAfter === undefined || notAfter <= now ? Infinity : (notAfter - now) / 8;
  const wait = Math.max(leastMs, Math.min(ladder, left));
  return Math.round(Math.max(now + wait, retryAt ?? 0));
}
