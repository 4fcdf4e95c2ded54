/**
 * A quarter of a million requests of every kind, with every certificate replaced again and again, restarted backends and
 * rude clients: nothing fails and nothing grows. SOAK_SCALE=0.1 makes it a tenth of that.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ready } from '../e2e/shop.ts';
import { site } from '../e2e/site.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { monotonicMs, startLoad, type Load, type LoadFailure } from '../support/load.ts';
import { until } from '../support/until.ts';
import { secondHalf, slope, type Point } from './growth.ts';
import { megabytes, memoryInUse, sampleOf, troubles, type Still } from './process-samples.ts';
import { beRude, targetAt } from './rude-clients.ts';
import { configFor, hosts, kinds, restartingHost, rotateAll, steadyHosts, type Kind } from './soak-site.ts';

const preload = join(import.meta.dirname, 'collect-garbage.ts');
const scale = Number(process.env['SOAK_SCALE'] ?? 1);
const requests = 250_000 * scale;
const steps = 60;
const backendRestarts = 3;
const rudeClients = 1_200 * scale;
const rudeAtOnce = 40;
const limitMs = 900_000;

/**
 * What a process may gain with each request of the second half. Each of the two workers has every other request, so that
 * one that forgot a kilobyte with each of its requests would gain 500 bytes. The others have work with rotations alone.
 */
const bounds = { inUse: 120, handles: 1 / 2_500, rss: { worker: 300, terminator: 600, control: 600 } };

test(
  'never (§5.3, §5.10): 250,000 requests, 60 times all certificates, restarted backends, slow and rude clients: no failure, no growth',
  { timeout: limitMs },
  async (t) => {
    const place = await site();
    await using steady = await startBackend({ id: 'steady' });
    let other = await startBackend({ id: 'other' });
    const { port: otherPort } = other;
    await using parts = new AsyncDisposableStack();
    parts.defer(async () => await other[Symbol.asyncDispose]());
    const configYaml = configFor(place, steady.url, other.url);
    await using certplane = await startCertplane({ configYaml, env: { NODE_OPTIONS: `--import=${preload}` } });
    for (const host of hosts) await ready(certplane, host, `file/${host}`);
    const rootPem = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
    const target = targetAt(place.https, rootPem);
    const start = ({ options, restarts }: Kind, total?: number): Load =>
      startLoad({
        port: place.https,
        caPem: rootPem,
        servernames: restarts === true ? [restartingHost] : steadyHosts,
        maxMs: limitMs,
        ...options,
        ...(total === undefined ? {} : { total }),
      });

    // The same of everything in small first, so that what is set up once is not taken for growth.
    await Promise.all([
      ...kinds.map(async (kind) => {
        await using load = start(kind, kind.options.bodyBytes === undefined ? 1_000 : 50);
        await load.finished();
        assert.deepEqual(load.failures, []);
      }),
      ...Array.from({ length: rudeAtOnce }, async (_, number) => await beRude(target, number)),
    ]);
    for (let i = 0; i < 3; i += 1) await rotateAll(certplane);
    const before = await quietSample(certplane, [steady, other]);

    const loads = kinds.map((kind) => parts.use(start(kind)));
    const served = (): number => loads.reduce((sum, { done }) => sum + done, 0);
    const samples: { readonly served: number; readonly processes: readonly Still[] }[] = [];
    const downtimes: [fromMs: number, untilMs: number][] = [];
    const rude: Promise<void>[] = [];
    const rudeFailures: string[] = [];
    for (let step = 1; step <= steps; step += 1) {
      const due = (requests * step) / steps;
      await until(() => served() >= due || loads.some(({ process: { exit } }) => exit !== undefined), {
        timeoutMs: 180_000,
        everyMs: 100,
        what: `the load for step ${step}`,
      });
      while (rude.length < (rudeClients * step) / steps) {
        const asExpected = beRude(target, rude.length);
        rude.push(asExpected.catch((error: unknown) => void rudeFailures.push(String(error))));
      }
      await rotateAll(certplane);
      if (step % (steps / backendRestarts) === 10) {
        const fromMs = monotonicMs();
        await other[Symbol.asyncDispose]();
        await delay(200);
        other = await startBackend({ id: 'other', port: otherPort });
        downtimes.push([fromMs, monotonicMs()]);
      }
      samples.push({ served: served(), processes: await memoryInUse(certplane) });
    }
    await Promise.all(rude);
    const summaries = await Promise.all(loads.map(async (load) => await load.stop()));
    const after = await quietSample(certplane, [steady, other]);

    const failures = loads.flatMap((load, i) => load.failures.map((failure) => ({ ...failure, kind: kinds[i] })));
    assert.deepEqual(
      failures.filter((failure) => failure.kind?.restarts !== true || !isDowntime(failure, downtimes)),
      [],
      'only while a backend is down, and then as 502 or as a cut answer',
    );
    assert.deepEqual(rudeFailures, []);
    for (const [i, { ok }] of summaries.entries())
      assert.ok(ok > requests / 1_000, `${ok} requests of kind ${JSON.stringify(kinds[i])}`);
    assert.equal(downtimes.length, backendRestarts);
    assert.deepEqual(troubles(certplane.output), []);
    t.diagnostic(
      `${served()} requests (${summaries.map(({ mode, ok }) => `${mode} ${ok}`).join(', ')}), ${rude.length} rude clients, ${steps * hosts.length} rotations, ${failures.length} requests failed while their backend was down`,
    );
    checkAtRest(before, after, (line) => t.diagnostic(line));
    const problems: string[] = [];
    for (const { pid, role } of after) {
      const of = (value: (one: Still) => number): readonly Point[] =>
        secondHalf(
          samples.flatMap(({ served: x, processes }) => {
            const one = processes.find((process) => process.pid === pid);
            return one === undefined ? [] : [{ x, y: value(one) }];
          }),
        );
      const rises = {
        inUse: slope(of(({ inUseBytes }) => inUseBytes)),
        rss: slope(of(({ rssBytes }) => rssBytes)),
        handles: slope(of(({ openFiles, handles }) => openFiles + handles)),
      };
      t.diagnostic(
        `${role}, gained with a request: ${rises.inUse.toFixed(0)} B in use, ${rises.rss.toFixed(0)} B resident, ${rises.handles.toFixed(5)} handles`,
      );
      for (const kind of ['inUse', 'rss', 'handles'] as const) {
        const bound = kind === 'rss' ? bounds.rss[role] : bounds[kind];
        if (rises[kind] > bound) problems.push(`${role}: ${kind} rises by ${rises[kind]} with each request`);
      }
    }
    if (process.env['SOAK_LOG'])
      (await import('node:fs')).writeFileSync(process.env['SOAK_LOG'], JSON.stringify(samples));
    assert.deepEqual(problems, []);
  },
);

/** The same processes with the same open files and handles, and no more memory in use than before. */
function checkAtRest(before: readonly Still[], after: readonly Still[], tell: (line: string) => void): void {
  assert.deepEqual(
    after.map(({ pid }) => pid),
    before.map(({ pid }) => pid),
    'the same processes',
  );
  for (const [i, now] of after.entries()) {
    const had = before[i] as Still;
    const text =
      `${now.role}, at rest: ${megabytes(had.inUseBytes)} in use before, ${megabytes(now.inUseBytes)} after; resident ` +
      `${megabytes(had.rssBytes)}, ${megabytes(now.rssBytes)}; open files ${had.openFiles}, ${now.openFiles}; handles ${had.handles}, ${now.handles}`;
    tell(text);
    assert.ok(Math.abs(now.openFiles - had.openFiles) <= 5 && Math.abs(now.handles - had.handles) <= 8, text);
    assert.ok(now.inUseBytes < had.inUseBytes * 1.15 + 4_194_304, text);
  }
}

/** A 502, or an answer that was under way when its backend went. */
function isDowntime({ atMs, code, message }: LoadFailure, downtimes: readonly (readonly [number, number])[]): boolean {
  const inTime = downtimes.some(([fromMs, untilMs]) => atMs >= fromMs && atMs <= untilMs + 500);
  return inTime && (message.includes('the answer was 502') || code === 'ECONNRESET');
}

/** When nothing is open any more, the connections kept to backends included. */
async function quietSample(certplane: Certplane, backends: readonly Backend[]): Promise<Still[]> {
  for (const backend of backends) backend.resetConnections();
  let last = -1;
  let same = 0;
  await until(
    () => {
      const files = sampleOf(certplane).reduce((sum, { openFiles }) => sum + openFiles, 0);
      same = files === last ? same + 1 : 0;
      last = files;
      return same >= 5;
    },
    { timeoutMs: 90_000, everyMs: 400, what: 'a steady number of open files' },
  );
  return await memoryInUse(certplane);
}
