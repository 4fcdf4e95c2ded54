import { formatDuration } from '../../../src/core/duration.ts';

const dayMs = 86_400_000;
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
const monthOnly = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric' });
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

/** For the axis of a chart: hours where everything lies within two days, days within most of a year, else months. */
export function axisTime(at: number, spanMs: number): string {
  if (spanMs <= 2 * dayMs) return hourOnly.format(at);
  return spanMs <= 300 * dayMs ? dayOnly.format(at) : monthOnly.format(at);
}

/** For an axis on which minutes stand beside years: `in 13m`, `in 12d`, to the nearest whole unit. */
export function timeAhead(ms: number): string {
  const unit = [365 * dayMs, dayMs, 3_600_000, 60_000].find((one) => ms >= one) ?? 1_000;
  return `in ${formatDuration(Math.round(ms / unit) * unit)}`;
}
