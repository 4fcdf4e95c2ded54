/** 60,000 requests of every kind with rotations, backend restarts and rude clients: nothing fails and nothing grows. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import { ready } from '../e2e/shop.ts';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { monotonicMs, startLoad, type Load, type LoadFailure, type LoadOptions } from '../support/load.ts';
import { until } from '../support/until.ts';
import { megabytes, sampleOf, troubles, type Sample } from './process-samples.ts';

const preload = join(import.meta.dirname, 'collect-garbage.ts');
const megabyte = 1_048_576;
const rotations = 60;
const backendRestarts = 3;
const rudeClients = 600;
const names = ['one', 'two', 'three'] as const;
const steadyHosts = ['one.test', 'two.test'];
const sampleEveryMs = 250;

interface Kind {
  readonly options: Omit<LoadOptions, 'port' | 'servernames'> & { total: number };
  /** Against the backend that restarts; all others against one that is always there. */
  readonly restarts?: boolean;
}

const kinds: readonly Kind[] = [
  { options: { mode: 'keepalive', total: 19_000, concurrency: 6, requestsPerConnection: 80, bodyBytes: 300 } },
  { options: { mode: 'h2', total: 20_000, concurrency: 10, connections: 3, requestsPerConnection: 100 } },
  { options: { mode: 'new', total: 3_000, concurrency: 2 } },
  { options: { mode: 'websocket', total: 12_000, concurrency: 4 } },
  { options: { mode: 'keepalive', total: 500, concurrency: 2, bodyBytes: megabyte } },
  {
    options: {
      mode: 'h2',
      total: 500,
      concurrency: 2,
      path: `/bytes?n=${megabyte}`,
      verify: { status: 200, bodyIncludes: 'b'.repeat(10_000) },
    },
  },
  { restarts: true, options: { mode: 'keepalive', total: 5_000, concurrency: 2, requestsPerConnection: 200 } },
];

test(
  'never (§5.3, §5.10): 60,000 requests, 60 rotations, restarted backends and clients that reset: no failure, no growth',
  { timeout: 400_000 },
  async (t) => {
    const place = await site();
    await using steady = await startBackend({ id: 'steady' });
    let other = await startBackend({ id: 'other' });
    const { port: otherPort } = other;
    await using parts = new AsyncDisposableStack();
    parts.defer(async () => await other[Symbol.asyncDispose]());
    const configYaml = configFor(place, steady.url, other.url);
    await using certplane = await startCertplane({ configYaml, env: { NODE_OPTIONS: `--import=${preload}` } });
    for (const name of names) await ready(certplane, name, `file/${name}`);
    const rootPem = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
    const start = ({ options, restarts }: Kind, total = options.total): Load =>
      startLoad({
        port: place.https,
        caPem: rootPem,
        servernames: restarts === true ? ['three.test'] : steadyHosts,
        maxMs: 380_000,
        ...options,
        total,
      });

    // The same of everything in small first, so that what is set up once is not taken for growth.
    await Promise.all(
      kinds.map(async (kind) => {
        await using load = start(kind, Math.ceil(kind.options.total / 12));
        await load.finished();
        assert.deepEqual(load.failures, []);
      }),
    );
    for (let i = 0; i < 6; i += 1) await rotate(certplane, names[i % names.length] ?? '');
    const before = await quietSample(certplane, [steady, other]);

    const loads = kinds.map((kind) => parts.use(start(kind)));
    const share = (): number => Math.min(...loads.map((load, i) => load.done / (kinds[i]?.options.total ?? 1)));
    const over = new AbortController();
    const sampling = sampleUntil(certplane, over.signal);
    const downtimes: [fromMs: number, untilMs: number][] = [];
    const steps = rotations + backendRestarts;
    let rude = 0;
    for (let step = 1; step <= steps; step += 1) {
      await until(() => share() >= step / (steps + 1) || loads.every(({ process: { exit } }) => exit !== undefined), {
        timeoutMs: 120_000,
        everyMs: 100,
        what: `the load for step ${step}`,
      });
      if (step % Math.floor(steps / backendRestarts) === 0) {
        const fromMs = monotonicMs();
        await other[Symbol.asyncDispose]();
        await delay(200);
        other = await startBackend({ id: 'other', port: otherPort });
        downtimes.push([fromMs, monotonicMs()]);
      } else await rotate(certplane, names[step % names.length] ?? '');
      const due = Math.floor((rudeClients * step) / steps);
      for (; rude < due; rude += 1) await resetInTheMiddle(place, rootPem, rude);
    }
    const summaries = await Promise.all(loads.map(async (load) => await load.finished()));
    over.abort();
    const samples = await sampling;
    const after = await quietSample(certplane, [steady, other]);

    const steadyFailures = loads.filter((_, i) => kinds[i]?.restarts !== true).flatMap(({ failures }) => failures);
    assert.deepEqual(steadyFailures, []);
    const restarting = loads.filter((_, i) => kinds[i]?.restarts === true).flatMap(({ failures }) => failures);
    assert.deepEqual(
      restarting.filter((failure) => !isDowntime(failure, downtimes)),
      [],
      'only while their backend is down, and then as 502 or as a cut answer',
    );
    assert.equal(
      summaries.reduce((sum, { requests }) => sum + requests, 0),
      60_000,
    );
    assert.equal(downtimes.length, backendRestarts);
    assert.deepEqual(troubles(certplane.output), []);
    t.diagnostic(`failed while their backend was down: ${restarting.length}`);
    for (const line of described(before, after)) t.diagnostic(line);
    const grown = grownMemory(samples);
    for (const { text } of grown) t.diagnostic(text);
    assert.deepEqual(
      after.map(({ pid }) => pid),
      before.map(({ pid }) => pid),
      'the same processes',
    );
    for (const [i, { role, openFiles }] of after.entries()) {
      const had = before[i]?.openFiles ?? 0;
      assert.ok(Math.abs(openFiles - had) <= 5, `${role}: ${had} open files before, ${openFiles} after`);
    }
    for (const { pid, role } of after) {
      const inUse = [...certplane.output.matchAll(new RegExp(`^memory ${pid} (\\d+)$`, 'gm'))].map(([, n]) =>
        Number(n),
      );
      const [early = 0, late = Infinity] = [inUse[0], inUse.at(-1)];
      const text = `${role}, in use: ${megabytes(early)} before, ${megabytes(late)} after`;
      t.diagnostic(text);
      assert.ok(inUse.length === 2 && late < early * 1.15 + 4 * megabyte, text);
    }
    assert.deepEqual(
      grown.filter(({ tooMuch }) => tooMuch).map(({ text }) => text),
      [],
    );
  },
);

/** A renewal, seen through to the terminator. */
async function rotate(certplane: Certplane, name: string): Promise<void> {
  const socketPath = join(certplane.dir, 'data', 'run', 'admin.sock');
  const address = `http://admin/api/v1/certificates/${encodeURIComponent(`file/${name}`)}`;
  const { version } = await ready(certplane, name, `file/${name}`);
  const asked = await fetchOnce(`${address}/renew`, { method: 'POST', socketPath });
  assert.equal(asked.status, 202, asked.body);
  await until(async () => (await ready(certplane, name, `file/${name}`)).version === (version ?? 0) + 1, {
    what: `the rotation of ${name}`,
    timeoutMs: 30_000,
  });
}

/** Resets its connection before, in or after its request, or while it is answered. */
async function resetInTheMiddle({ https: port }: Site, ca: string, number: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'one.test', ca, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const request = 'POST /stream?chunks=20&bytes=5000&ms=5 HTTP/1.1\r\nHost: one.test\r\nContent-Length: 10\r\n\r\n';
  socket.write([request.slice(0, 30), request, `${request}0123456789`][number % 3] ?? '');
  if (number % 3 === 2) await once(socket, 'data');
  socket.destroy();
}

/** A 502, or an answer that was under way when its backend went. */
function isDowntime({ atMs, code, message }: LoadFailure, downtimes: readonly (readonly [number, number])[]): boolean {
  const inTime = downtimes.some(([fromMs, untilMs]) => atMs >= fromMs && atMs <= untilMs + 500);
  return inTime && (message.includes('the answer was 502') || code === 'ECONNRESET');
}

async function sampleUntil(certplane: Certplane, over: AbortSignal): Promise<Sample[][]> {
  const samples: Sample[][] = [];
  while (!over.aborted) {
    samples.push(sampleOf(certplane));
    await delay(sampleEveryMs, undefined, { signal: over }).catch(() => undefined);
  }
  return samples;
}

/** When nothing is open any more, the connections kept to backends included. */
async function quietSample(certplane: Certplane, backends: readonly Backend[]): Promise<Sample[]> {
  for (const backend of backends) backend.resetConnections();
  for (const { pid } of sampleOf(certplane)) process.kill(pid, 'SIGUSR2');
  let last = -1;
  let same = 0;
  await until(
    () => {
      const files = sampleOf(certplane).reduce((sum, { openFiles }) => sum + openFiles, 0);
      same = files === last ? same + 1 : 0;
      last = files;
      return same >= 5;
    },
    { timeoutMs: 60_000, everyMs: 400, what: 'a steady number of open files' },
  );
  return sampleOf(certplane);
}

function described(before: readonly Sample[], after: readonly Sample[]): string[] {
  return after.map(({ role, openFiles, rssBytes }, i) => {
    const had = before[i];
    const memory = `${megabytes(had?.rssBytes ?? 0)} before, ${megabytes(rssBytes)} after`;
    return `${role}, at rest: ${memory}; open files ${had?.openFiles} before, ${openFiles} after`;
  });
}

/**
 * Resident memory: the medians of the second and of the last quarter of the load, by process. It includes what the
 * allocators keep for later, so that its bound is wide; what is really in use has a narrow one.
 */
function grownMemory(samples: readonly Sample[][]): { text: string; tooMuch: boolean }[] {
  return (samples[0] ?? []).map(({ role, pid }) => {
    const rss = samples.flatMap((one) => one.filter((sample) => sample.pid === pid).map(({ rssBytes }) => rssBytes));
    const quarter = Math.floor(rss.length / 4);
    const [early, late] = [median(rss.slice(quarter, 2 * quarter)), median(rss.slice(3 * quarter))];
    const text = `${role}: ${megabytes(early)} in the second quarter, ${megabytes(late)} in the last`;
    return { text, tooMuch: late > early + Math.max(0.5 * early, 64 * megabyte) };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function configFor(place: Site, steadyUrl: string, otherUrl: string): string {
  return `${place.base}
issuers:
  local: { ca: {} }
defaults: { issuers: [local] }
certificates:
${names.map((name) => `  ${name}: { dnsNames: [${name}.test], lifetime: 90d }`).join('\n')}
${terminatorOf(place)}
  timeouts: { drain: 3s }
  routes:
    - { hosts: [${steadyHosts.join(', ')}], backend: '${steadyUrl}' }
    - { hosts: [three.test], backend: '${otherUrl}' }
`;
}
