/** Waits that were noted while the clock was ahead. */

const noticedAt = new WeakMap<object, number>();

/**
 * When a wait ends that was noted at `from` to last until `until` (milliseconds since the epoch). Where `from` is in the
 * future the clock has been set back since: the wait keeps its length, counted from when that was first noticed, so that
 * it is neither forgotten nor drawn out (never §5.5, §5.11). `owner` is the record that says it.
 */
export function endOfWait(
  owner: object,
  { from, until }: { readonly from: number; readonly until: number },
  now: number,
): number {
  let noticed = noticedAt.get(owner);
  if (from > now && (noticed === undefined || noticed > now)) noticedAt.set(owner, (noticed = now));
  return noticed === undefined ? until : Math.min(until, noticed + (until - from));
}
