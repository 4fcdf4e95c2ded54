/** Writes the tables of docs/reference.md and docs/configuration.md from the code; tests fail when they differ. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import prettier from 'prettier';
import { statusOf } from '../src/api/errors.ts';
import { optionTable } from '../src/config/options.ts';
import { errorCodes, type ErrorCode } from '../src/core/errors.ts';
import { metricTable } from '../src/observe/metric-table.ts';
import { createTerminatorMetrics } from '../src/terminator/metrics.ts';

const docs = join(import.meta.dirname, '..', 'docs');
const file = join(docs, 'reference.md');
const configurationFile = join(docs, 'configuration.md');

/** The text between `<!-- NAME -->` and `<!-- /NAME -->`. */
function fill(text: string, name: string, content: string): string {
  const section = new RegExp(`(<!-- ${name} -->)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!section.test(text)) throw new Error(`There is no section ${name}`);
  return text.replace(section, (_all, begin: string, end: string) => `${begin}\n\n${content}\n\n${end}`);
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function errorTable(): string {
  const codes = Object.keys(errorCodes) as ErrorCode[];
  return table(
    ['code', 'HTTP status', 'meaning'],
    codes.map((code) => [`\`${code}\``, String(statusOf[code]), errorCodes[code]]),
  );
}

async function terminatorMetrics(): Promise<string> {
  const { registry } = createTerminatorMetrics({
    workers: () => [],
    served: () => [],
    backends: () => [],
    problems: () => new Map(),
    lagSeconds: () => 0,
    feedConnected: () => true,
  });
  const all = await registry.getMetricsAsJSON();
  return table(
    ['metric', 'meaning'],
    all.map(({ name, help }) => [`\`${name}\``, help]),
  );
}

/** docs/reference.md as it should be. */
export async function reference(): Promise<string> {
  let text = await readFile(file, 'utf8');
  text = fill(text, 'errors', errorTable());
  const rows = Object.entries(metricTable).map(([name, help]) => [`\`${name}\``, help]);
  text = fill(text, 'control metrics', table(['metric', 'meaning'], rows));
  text = fill(text, 'terminator metrics', await terminatorMetrics());
  return await formatted(text, file);
}

/** docs/configuration.md as it should be. */
async function configuration(): Promise<string> {
  const text = await readFile(configurationFile, 'utf8');
  return await formatted(fill(text, 'options', optionTable()), configurationFile);
}

async function formatted(text: string, filepath: string): Promise<string> {
  return await prettier.format(text, { ...(await prettier.resolveConfig(filepath)), filepath });
}

if (import.meta.main) {
  await writeFile(file, await reference());
  await writeFile(configurationFile, await configuration());
}
