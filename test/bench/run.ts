/**
 * `npm run bench`: what the main job costs, beside nginx on the same work in the same run. Rounds are interleaved and
 * medians shown; on a shared machine only ratios mean anything. Prints a table, and JSON with --json.
 */
import { parseArgs } from 'node:util';
import { proxiedRequests } from './proxied-requests.ts';
import { rotation } from './rotation.ts';

export interface Row {
  readonly work: string;
  readonly ours: string;
  readonly theirs: string;
  readonly ratio: string;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
const rows: Row[] = [...(await proxiedRequests(rounds)), ...(await rotation(rounds))];

if (values.json === true) console.log(JSON.stringify(rows, undefined, 2));
else {
  const columns = ['work', 'ours', 'theirs', 'ratio'] as const;
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => row[column].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join('  ')
      .trimEnd();
  console.log(
    [
      line(columns),
      line(widths.map((width) => '-'.repeat(width))),
      ...rows.map((row) => line(columns.map((column) => row[column]))),
    ].join('\n'),
  );
}
