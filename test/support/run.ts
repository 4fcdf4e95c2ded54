/**
 * `npm test`, `npm run test:long`, `npm run test:cluster`.
 *
 *   node test/support/run.ts [long|cluster] [FILTER…] [--name PATTERN]
 *
 * FILTER is a part of a test file's path. Without a suite: everything under test/ two files at a time, then the
 * rotation under load alone, so that nothing else competes with it for the CPU.
 */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { buildWeb } from '../../tools/build-web.ts';
import { kubePrograms, KubeMissing } from '../cluster/build.ts';
import { cacheDir } from './cache.ts';
import { findTool, ToolMissing } from './tools.ts';
import type { ToolName } from './tool-list.ts';

const TEST_TIMEOUT_MS = 120_000;
const root = join(import.meta.dirname, '..', '..');

interface Suite {
  title: string;
  pattern: string;
  exclude?: string[];
  concurrency: number;
  /** A file that never ends (a leaked handle) must not hold a run for ever. */
  limitMs: number;
}

const suites: Record<'default' | 'long' | 'cluster', Suite[]> = {
  default: [
    {
      title: 'tests',
      pattern: 'test/**/*.test.ts',
      exclude: ['test/long/', 'test/cluster/', 'test/load/', 'test/bench/'],
      concurrency: 2,
      limitMs: 600_000,
    },
    { title: 'load test', pattern: 'test/load/rotation.test.ts', concurrency: 1, limitMs: 600_000 },
  ],
  long: [
    {
      title: 'load and faults',
      pattern: 'test/load/*.test.ts',
      exclude: ['test/load/rotation.test.ts'],
      concurrency: 1,
      limitMs: 600_000,
    },
    { title: 'long tests', pattern: 'test/long/*.test.ts', concurrency: 1, limitMs: 1_200_000 },
  ],
  cluster: [{ title: 'cluster tests', pattern: 'test/cluster/*.test.ts', concurrency: 1, limitMs: 1_200_000 }],
};

const basicTools: ToolName[] = ['openssl', 'curl', 'nginx', 'pebble', 'pebble-challtestsrv', 'chromium'];

interface Outcome {
  failed: boolean;
  skips: string[];
  /** By file. */
  seconds: Map<string, number>;
}

/** So many files are named by what they took: a suite's limit is kept by looking at these. */
const slowestShown = 12;

async function runSuite(suite: Suite, files: string[], namePattern: string | undefined): Promise<Outcome> {
  const outcome: Outcome = { failed: false, skips: [], seconds: new Map() };
  const limit = new AbortController();
  const running = new Set(files);
  const timer = setTimeout(() => {
    console.error(`not finished after ${suite.limitMs / 60_000} min: ${[...running].join(', ')}`);
    limit.abort();
  }, suite.limitMs);
  const stream = run({
    files: files.map((file) => join(root, file)),
    cwd: root,
    concurrency: suite.concurrency,
    timeout: TEST_TIMEOUT_MS,
    signal: limit.signal,
    ...(namePattern === undefined ? {} : { testNamePatterns: [namePattern] }),
  });
  stream.on('test:fail', () => (outcome.failed = true));
  stream.on('test:summary', ({ success, file, duration_ms: durationMs }) => {
    if (!success) outcome.failed = true;
    if (file === undefined) return;
    running.delete(file.slice(root.length + 1));
    outcome.seconds.set(file.slice(root.length + 1), durationMs / 1000);
  });
  stream.on('test:pass', ({ name, skip, file }) => {
    if (typeof skip === 'string') outcome.skips.push(`${file?.slice(root.length + 1) ?? ''}: ${name}: ${skip}`);
  });
  const report = stream.compose(new spec());
  for await (const text of report) process.stdout.write(text as string);
  clearTimeout(timer);
  return outcome;
}

function slowest(seconds: ReadonlyMap<string, number>): string {
  const sorted = [...seconds].toSorted(([, a], [, b]) => b - a).slice(0, slowestShown);
  return sorted.map(([file, took]) => `${took.toFixed(1).padStart(7)} s  ${file}`).join('\n');
}

function filesOf(suite: Suite, filters: string[]): string[] {
  return globSync(suite.pattern, { cwd: root })
    .filter((file) => !suite.exclude?.some((prefix) => file.startsWith(prefix)))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .toSorted();
}

/** What is missing is said once here; each test then skips itself, or fails when CI=true. */
async function prepare(suite: keyof typeof suites): Promise<boolean> {
  const startedAt = Date.now();
  const missing: string[] = [];
  try {
    await buildWeb();
  } catch (error) {
    missing.push(`the web UI, which does not build: ${String(error instanceof Error ? error.message : error)}`);
  }
  for (const name of basicTools) {
    try {
      await findTool(name);
    } catch (error) {
      if (!(error instanceof ToolMissing)) throw error;
      missing.push(error.message);
    }
  }
  if (suite === 'cluster') {
    try {
      await kubePrograms();
    } catch (error) {
      if (!(error instanceof KubeMissing)) throw error;
      missing.push(error.message);
    }
  }
  for (const line of missing) console.error(`missing: ${line}`);
  console.error(`tools ready in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  return missing.length === 0;
}

// What hundreds of short-lived processes load is compiled once. Workers get the variable, too.
process.env['NODE_COMPILE_CACHE'] ??= cacheDir('compiled');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: 'string', short: 't' } },
});
const [first, ...rest] = positionals;
const selected = first === 'long' || first === 'cluster' ? first : 'default';
const filters = selected === 'default' ? positionals : rest;

const complete = await prepare(selected);
if (!complete && process.env['CI'] === 'true') {
  console.error('CI=true: a missing tool is a failure');
  process.exitCode = 1;
} else {
  const skips: string[] = [];
  let ran = 0;
  for (const suite of suites[selected]) {
    const files = filesOf(suite, filters);
    if (files.length === 0) continue;
    ran += files.length;
    console.log(`\n${suite.title}: ${files.length} files`);
    const outcome = await runSuite(suite, files, values.name);
    skips.push(...outcome.skips);
    if (files.length > 1) console.log(`slowest files:\n${slowest(outcome.seconds)}`);
    if (outcome.failed) process.exitCode = 1;
  }
  if (ran === 0) console.log(`no test files match${filters.length > 0 ? ` ${filters.join(' ')}` : ''}`);
  if (skips.length > 0) console.log(`\nskipped:\n${skips.map((line) => `  ${line}`).join('\n')}`);
}
