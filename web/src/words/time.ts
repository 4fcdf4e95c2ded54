import { formatDuration } from '../../../src/core/duration.ts';

const zoned = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  timeZoneName: 'short',
});
const precise = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'full',
  timeStyle: 'long',
});
const dayOnly = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const hourOnly = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** `in 7m 12s`, `3m 20s ago`, `now`. */
export function relativeTime(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 1_000) return 'now';
  const words = formatDuration(distance);
  return distance > 0 ? `in ${words}` : `${words} ago`;
}

/** `22 Nov 2026, 05:12 CET`, local time; the server's sentences speak in UTC. */
export function absoluteTime(at: number): string {
  return zoned.format(at);
}

/** `22 Nov 2026, 05:12 – 24 Nov 2026, 05:12 CET`. */
export function timeSpan(from: number, to: number): string {
  return zoned.formatRange(from, to);
}

/** With seconds and the time zone. */
export function preciseTime(at: number): string {
  return precise.format(at);
}

/** For the axis of a chart: hours where everything lies within two days, else days. */
export function axisTime(at: number, spanMs: number): string {
  return spanMs <= 2 * 86_400_000 ? hourOnly.format(at) : dayOnly.format(at);
}
