/** When to try again after a failure. */

const minute = 60_000;
const day = 86_400_000;
/** Let's Encrypt's own advice: 1 min, 10 min, 100 min, then daily. */
const ladderMs = [minute, 10 * minute, 100 * minute, day] as const;
const leastMs = 10_000;
/** For a certificate that has ended: it is missed now, so a day is no pause; and no CA is hammered for it. */
const ended = { leastMs: minute, mostMs: 60 * minute } as const;

export interface RetryInput {
  readonly now: number;
  /** Failures in a row, the latest included; at least 1. */
  readonly failures: number;
  /** End of what is in use, if there is something; a retry never waits longer than 1/8 of what is left. */
  readonly notAfter?: number | undefined;
  /** How long the certificate lives, where that is known: 1/8 of it counts where nothing valid is in use. */
  readonly lifetimeMs?: number | undefined;
  /** The CA's Retry-After, milliseconds since the epoch. Always wins. */
  readonly retryAt?: number | undefined;
}

/** Milliseconds since the epoch. */
export function nextAttemptAt(input: RetryInput): number {
  const { now, failures, retryAt } = input;
  const ladder = ladderMs[Math.min(failures, ladderMs.length) - 1] ?? day;
  const { least, most } = bounds(input);
  const wait = Math.max(least, Math.min(ladder, most));
  return Math.round(Math.max(now + wait, retryAt ?? 0));
}

function bounds({ now, notAfter, lifetimeMs = Infinity }: RetryInput): { least: number; most: number } {
  if (notAfter === undefined) return { least: leastMs, most: lifetimeMs / 8 };
  if (notAfter > now) return { least: leastMs, most: (notAfter - now) / 8 };
  return { least: ended.leastMs, most: Math.min(ended.mostMs, lifetimeMs / 8) };
}
