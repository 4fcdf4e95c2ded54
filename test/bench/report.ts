/** The rows as text: a table for the terminal, and `RESULTS.md`. */
import { millis, notMeasured, type Aim, type Detail, type Row } from './row.ts';

type Cells = readonly string[];

const headings: Cells = ['work', 'ours', 'theirs', 'ours / theirs', 'aim', 'met'];
const detailHeadings: Cells = ['work', 'server', 'figure', 'per second', 'p50', 'p99', 'core busy'];

function met({ reached, missedBy }: Aim): string {
  if (reached === undefined) return notMeasured;
  if (reached <= 1) return 'yes';
  if (missedBy !== undefined) return `no, ${missedBy}`;
  const over = (reached - 1) * 100;
  return over < 100 ? `no, missed by ${Math.max(1, Math.round(over))}%` : `no, ${reached.toFixed(1)} × the aim`;
}

function pairs(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([peer, text]) => `${peer} ${text}`)
    .join('; ');
}

function rowCells({ work, ours, theirs, ratios, aims }: Row): Cells {
  const shown = Object.fromEntries(Object.entries(ratios).map(([peer, ratio]) => [peer, ratio.toFixed(2)]));
  return [work, ours, pairs(theirs), pairs(shown), aims.map(({ text }) => text).join('; '), aims.map(met).join('; ')];
}

function detailCells(work: string, { server, figure, perSecond, p50Ms, p99Ms, busy }: Detail): Cells {
  return [
    work,
    server,
    figure,
    perSecond === undefined ? '' : perSecond.toFixed(perSecond < 100 ? 1 : 0),
    p50Ms === undefined ? '' : millis(p50Ms),
    p99Ms === undefined ? '' : millis(p99Ms),
    busy === undefined ? '' : `${(busy * 100).toFixed(0)}%`,
  ];
}

function notesOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ work, notes }) => notes.map((note) => `${work}: ${note}`));
}

function detailsOf(rows: readonly Row[]): Cells[] {
  return rows.flatMap(({ work, details }) => details.map((detail) => detailCells(work, detail)));
}

function aligned(lines: readonly Cells[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = (line: Cells): string =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const [head = [], ...rest] = lines;
  return [text(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rest.map(text)].join('\n');
}

function markdown(lines: readonly Cells[]): string {
  const text = (cells: Cells): string => `| ${cells.join(' | ')} |`;
  const [head = [], ...rest] = lines;
  return [text(head), text(head.map(() => '---')), ...rest.map(text)].join('\n');
}

export function asText(rows: readonly Row[]): string {
  return [
    aligned([headings, ...rows.map(rowCells)]),
    aligned([detailHeadings, ...detailsOf(rows)]),
    notesOf(rows).join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function asJson(rows: readonly Row[], facts: readonly (readonly [string, string])[]): string {
  const judged = rows.map((row) => ({
    ...row,
    aims: row.aims.map((aim) => ({ ...aim, met: aim.reached === undefined ? null : aim.reached <= 1 })),
  }));
  return JSON.stringify({ facts: Object.fromEntries(facts), rows: judged }, undefined, 2);
}

/** `facts` name what it was measured with, as `[what, text]`. */
export function asMarkdown(rows: readonly Row[], facts: readonly (readonly [string, string])[]): string {
  return `# Results of the benchmarks

Written by the command below; not edited by hand. What the figures mean: the CPU time (user and system) of all processes of
a server per operation, unless a row says otherwise. Ratios are medians over rounds in which every server has its turn, so
they say more than the figures, which depend on the machine. Every answer was checked: status, length and content.

${facts.map(([what, text]) => `- ${what}: ${text}`).join('\n')}

${markdown([headings, ...rows.map(rowCells)])}

## Throughput and latency

Where the core of a server is not busy, the load was what limited it: then throughput and latency are the load's, and only
the CPU time says something about the server.

${markdown([detailHeadings, ...detailsOf(rows)])}

## Notes

${notesOf(rows)
  .map((note) => `- ${note}`)
  .join('\n')}
`;
}
