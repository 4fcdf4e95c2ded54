/**
 * `npm run bench`: Certplane's terminator beside nginx, HAProxy, Caddy and hitch on the same work, in the same run.
 *
 *   npm run bench -- [--rounds N] [--seconds N] [--only PART]… [--json] [--write]
 *
 * `--only` takes a part of a row's name; `--write` writes RESULTS.md beside this file. Another checkout is measured with
 * CERTPLANE_BENCH_ROOT=DIRECTORY. Needs Linux, taskset, and Debian's packages of the peers or a way to fetch them.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { ToolMissing } from '../support/tools.ts';
import { moveTo, shareCores } from './cores.ts';
import { facts } from './facts.ts';
import { Fixtures } from './fixtures/certificates.ts';
import type { Lab, RowFamily } from './lab.ts';
import { asJson, asMarkdown, asText } from './report.ts';
import { because, emptyRow, notMeasured, type Row } from './row.ts';
import { responses, uploads } from './rows/bodies.ts';
import { handshakes } from './rows/handshakes.ts';
import { http2 } from './rows/http2.ts';
import { idleMemory } from './rows/idle-memory.ts';
import { installation } from './rows/installation.ts';
import { keepAlive } from './rows/keep-alive.ts';
import { manyCertificates } from './rows/many-certificates.ts';
import { massRotation } from './rows/mass-rotation.ts';
import { rotation } from './rows/rotation.ts';
import { tcp } from './rows/tcp.ts';
import { twoWorkers } from './rows/two-workers.ts';
import { watchOthers } from './usage.ts';

const families: readonly RowFamily[] = [
  keepAlive,
  http2,
  handshakes,
  responses,
  uploads,
  tcp,
  idleMemory,
  manyCertificates,
  rotation,
  massRotation,
  twoWorkers,
  installation,
];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const rounds = positive('rounds', values.rounds);
const seconds = positive('seconds', values.seconds);
const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');

/** How many cores other programs used during each family of rows; below this nothing is said. */
const foreign: number[] = [];
const undisturbed = 0.1;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${name} takes a whole number above 0, not "${text}".`);
  process.exit(2);
}

function wanted(work: string): boolean {
  return values.only.length === 0 || values.only.some((part) => work.toLowerCase().includes(part.toLowerCase()));
}

async function measure(family: RowFamily, lab: Lab): Promise<readonly Row[]> {
  const works = Object.entries(family.works);
  if (!works.some(([work]) => wanted(work)))
    return works.map(([work, targets]) => emptyRow(work, notMeasured, targets));
  const measured: Row[] = [];
  let reason = notMeasured;
  const others = watchOthers();
  try {
    const rows = await family.run(lab, wanted);
    const used = others();
    foreign.push(used);
    const noted = used < undisturbed ? [] : [`Other programs used ${used.toFixed(2)} cores meanwhile.`];
    for (const row of rows) measured.push({ ...row, notes: [...row.notes, ...noted] });
  } catch (error) {
    if (!(error instanceof ToolMissing)) {
      console.error(error);
      process.exitCode = 1;
    }
    reason = because(error);
  }
  return works.map(
    ([work, targets]) =>
      measured.find((row) => row.work === work) ?? emptyRow(work, wanted(work) ? reason : notMeasured, targets),
  );
}

// Servers are ended when this process exits, which a signal alone would not make it do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    console.error(`ended by ${signal}`);
    process.exit(1);
  });

const cores = shareCores();
await moveTo(cores.load);
const lab: Lab = {
  rounds,
  seconds,
  fixtures: new Fixtures(),
  cores,
  progress: (line) => console.error(line),
};
const rows: Row[] = [];
for (const family of families) rows.push(...(await measure(family, lab)));
const shown = values.only.length === 0 ? rows : rows.filter(({ work }) => wanted(work));
const about = await facts(cores, { rounds, seconds, command, foreign });
console.log(values.json ? asJson(shown, about) : asText(shown));
if (values.write) {
  const file = join(import.meta.dirname, 'RESULTS.md');
  const style = await resolveConfig(file);
  await writeFile(file, await format(asMarkdown(rows, about), { ...style, parser: 'markdown' }));
}
