/** Durations as people write them: `15m`, `90d`, `1h30m`. A day is 24 h and a year 365 d, whatever the calendar says. */

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 } as const;
type Unit = keyof typeof unitMs;

/** Milliseconds, or undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 40 || !/^(?:\d+(?:ms|[smhdwy]))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|[smhdwy])/g)) total += Number(amount) * unitMs[unit as Unit];
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Two units at most, largest first: `12d 4h`, `3m 20s`, `0s`. Negative durations are shown by their size. */
export function formatDuration(ms: number): string {
  let rest = Math.abs(Math.round(ms / 1000)) * 1000;
  const parts: string[] = [];
  for (const unit of ['y', 'd', 'h', 'm', 's'] as const) {
    const amount = Math.floor(rest / unitMs[unit]);
    if (amount > 0) parts.push(`${amount}${unit}`);
    else if (parts.length > 0) break; // "1y 3s" would pretend a precision nobody asked for
    rest -= amount * unitMs[unit];
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}
