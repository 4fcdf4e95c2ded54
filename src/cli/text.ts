/** Text for a terminal: colours only where they are wanted, columns that line up, nothing that moves the cursor. */
import { styleText } from 'node:util';
import { formatDuration } from '../core/duration.ts';
import { timeText } from '../core/time-text.ts';
import type { CliIo, Output } from './io.ts';

export type Tone = 'good' | 'bad' | 'warn' | 'dim' | 'strong' | 'plain';

const formats = { good: 'green', bad: 'red', warn: 'yellow', dim: 'dim', strong: 'bold' } as const;

export type Paint = (tone: Tone, text: string) => string;

/** https://no-color.org; only on a terminal that is not dumb. */
export function painter(output: Output, env: NodeJS.ProcessEnv): Paint {
  const colour = output.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return (tone, text) =>
    !colour || tone === 'plain' || text === '' ? text : styleText(formats[tone], text, { validateStream: false });
}

/** Without control characters, which could move the cursor or rewrite lines: messages come from CAs and programs too. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- that is the point
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, ' ');
}

/** The same, with its lines kept. */
export function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n');
}

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
}

/** Aligned columns, two spaces apart, a dim head, no space at the end of a line. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[], paint: Paint): string {
  const cleaned = rows.map((row) => row.map((cell) => clean(cell.text)));
  const widths = head.map((title, i) =>
    cleaned.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), title.length),
  );
  const line = (texts: readonly string[], tone: (i: number) => Tone): string =>
    texts
      .map((text, i) => {
        const padding = i === texts.length - 1 ? '' : ' '.repeat((widths[i] ?? 0) - text.length);
        return paint(tone(i), text) + padding;
      })
      .join('  ')
      .trimEnd();
  const body = cleaned.map((texts, row) => line(texts, (i) => rows[row]?.[i]?.tone ?? 'plain'));
  return `${[line(head, () => 'dim'), ...body].join('\n')}\n`;
}

/** `name  value` lines. */
export function facts(pairs: readonly (readonly [string, Cell | string])[], paint: Paint): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  const lines = pairs.map(([name, value]) => {
    const cell = typeof value === 'string' ? { text: value } : value;
    return `  ${paint('dim', name.padEnd(width))}  ${paint(cell.tone ?? 'plain', clean(cell.text))}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** `in 3d 4h`, `2h 5m ago`, `now`. */
function relativeText(at: number, now: number): string {
  const distance = at - now;
  if (Math.abs(distance) < 1_000) return 'now';
  return distance > 0 ? `in ${formatDuration(distance)}` : `${formatDuration(distance)} ago`;
}

/** `2026-03-01 10:00:05 UTC (in 3d 4h)`; a dash for no time. */
export function when(time: string | null, io: Pick<CliIo, 'now'>): string {
  if (time === null) return '-';
  const at = Date.parse(time);
  return Number.isNaN(at) ? clean(time) : `${timeText(at)} (${relativeText(at, io.now())})`;
}

/** The relative part alone, for tables. */
export function whenShort(time: string | null, io: Pick<CliIo, 'now'>): string {
  if (time === null) return '-';
  const at = Date.parse(time);
  return Number.isNaN(at) ? clean(time) : relativeText(at, io.now());
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
