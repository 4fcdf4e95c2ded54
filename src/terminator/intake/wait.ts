import type { Clock } from '../../core/ports/clock.ts';

/**
 * Waits until the time or until `wake` resolves, whichever is first; leaves no timer behind. False when the signal ended
 * the wait.
 */
export async function wait(
  clock: Clock,
  at: number,
  { signal, wake }: { signal: AbortSignal; wake?: Promise<unknown> | undefined },
): Promise<boolean> {
  const round = new AbortController();
  const either = AbortSignal.any([signal, round.signal]);
  const timer = clock.waitUntil(at, either).catch((error: unknown) => {
    if (!either.aborted) throw error;
  });
  await (wake === undefined ? timer : Promise.race([timer, wake]));
  round.abort();
  await timer;
  return !signal.aborted;
}
