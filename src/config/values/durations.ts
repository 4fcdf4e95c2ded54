/** Durations as options take them: `15m`, `90d`, `1h30m`. */
import { formatDuration, parseDuration } from '../../core/duration.ts';
import { describeValue, type Parsed, type Parser } from './parsed.ts';

const words: Readonly<Record<string, string>> = {
  millisecond: 'ms',
  msec: 'ms',
  second: 's',
  sec: 's',
  minute: 'm',
  min: 'm',
  hour: 'h',
  hr: 'h',
  day: 'd',
  week: 'w',
  year: 'y',
  yr: 'y',
};

/** Milliseconds. The bounds are part of the sentence where a value is outside them. */
export function duration(minMs: number, maxMs: number): Parser<number> {
  return (value): Parsed<number> => {
    if (typeof value === 'number' && value >= 0) {
      return { problem: `The duration ${value} has no unit; write ${value}s, ${value}m, ${value}h or ${value}d.` };
    }
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    if (ms === undefined) {
      const instead = typeof value === 'string' ? canonicalDuration(value) : undefined;
      return {
        problem: `${describeValue(value)} is not a duration; write ${instead ?? 'for example 30s, 15m, 12h or 90d'}.`,
      };
    }
    if (ms >= minMs && ms <= maxMs) return { value: ms };
    const bounds = `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}`;
    return { problem: `The duration ${describeValue(value)} is out of range; write one ${bounds}.` };
  };
}

/** As `duration`; 0 is taken too, and means whatever the option says. */
export function durationOrZero(minMs: number, maxMs: number): Parser<number> {
  const above = duration(minMs, maxMs);
  return (value): Parsed<number> =>
    value === 0 || value === '0' || (typeof value === 'string' && parseDuration(value) === 0)
      ? { value: 0 }
      : above(value);
}

/** The form this program takes, for forms that people know from elsewhere: `90 days`, `P90D`, `90D`, `1 month`. */
export function canonicalDuration(text: string): string | undefined {
  const trimmed = text.trim().slice(0, 60).toLowerCase();
  const iso = /^p(?:(\d+)w)?(?:(\d+)d)?(?:t(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)?$/.exec(trimmed);
  const month = /^(\d+)\s*(?:months?|mo)$/.exec(trimmed);
  let candidate: string;
  if (iso !== null)
    candidate = ['w', 'd', 'h', 'm', 's']
      .map((unit, i) => (iso[i + 1] === undefined ? '' : `${iso[i + 1]}${unit}`))
      .join('');
  else if (month !== null) candidate = `${Number(month[1]) * 30}d`;
  else {
    candidate = trimmed
      .replaceAll(/\band\b|,|\s/g, '')
      .replaceAll(/(\d)([a-z]+)/g, (whole, digit: string, word: string) => {
        const unit = words[word] ?? words[word.replace(/s$/, '')];
        return unit === undefined ? whole : `${digit}${unit}`;
      });
  }
  return parseDuration(candidate) === undefined ? undefined : candidate;
}
