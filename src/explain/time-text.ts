import { formatDuration } from '../core/duration.ts';

/** `2026-03-01 10:00 UTC`: a point in time inside a sentence. */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `in 3d 4h`, `2h 5m ago`, `now`. */
export function relativeText(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 1_000) return 'now';
  return distance > 0 ? `in ${formatDuration(distance)}` : `${formatDuration(distance)} ago`;
}
