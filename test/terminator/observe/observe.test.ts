import assert from 'node:assert/strict';
import { readFile, rename, stat } from 'node:fs/promises';
import test from 'node:test';
import fc from 'fast-check';
import type { Connection } from '../../../src/terminator/proxy/exchange.ts';
import type { ExchangeRecord } from '../../../src/terminator/proxy/record.ts';
import { combinedLine, jsonLine } from '../../../src/terminator/observe/access-line.ts';
import { Counters } from '../../../src/terminator/observe/counters.ts';
import { durationBounds, Histogram } from '../../../src/terminator/observe/histogram.ts';
import { LineWriter } from '../../../src/terminator/observe/line-writer.ts';
import { Observer } from '../../../src/terminator/observe/observer.ts';
import { WorkerHistogram } from '../../../src/terminator/observe/worker-histogram.ts';
import { tempDir } from '../../support/tempdir.ts';

const connection: Connection = {
  protocol: 'https',
  address: '192.0.2.7',
  port: 50_000,
  localAddress: '127.0.0.1',
  localPort: 443,
  trusted: false,
};

function record(overrides: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    connection,
    method: 'GET',
    authority: 'a.test:8443',
    host: 'a.test',
    target: '/x?y=1',
    version: '2',
    headers: ['user-agent', 'curl/8', 'Referer', 'https://b.test/'],
    status: 200,
    bytesIn: 0,
    bytesOut: 12,
    complete: true,
    durationMs: 1.234_56,
    backendMs: 1,
    route: 'shop',
    backend: 'app',
    endpoint: '10.0.0.2:80',
    failure: undefined,
    traceId: undefined,
    ...overrides,
  };
}

const at = Date.UTC(2026, 10, 22, 8, 15, 30, 250);

test('a JSON line says who asked for what, who answered and how long that took, and nothing that is not known', () => {
  assert.deepEqual(JSON.parse(jsonLine(record(), at)), {
    time: '2026-11-22T08:15:30.250Z',
    client: '192.0.2.7',
    protocol: 'https',
    http: '2',
    method: 'GET',
    host: 'a.test',
    path: '/x?y=1',
    status: 200,
    bytesIn: 0,
    bytesOut: 12,
    durationMs: 1.23,
    backendMs: 1,
    route: 'shop',
    backend: 'app',
    endpoint: '10.0.0.2:80',
    referer: 'https://b.test/',
    userAgent: 'curl/8',
  });
});

test('a tunnel is a JSON line of its own, also one that reached nobody, and none where the format is about requests', async () => {
  await using dir = await tempDir();
  const start = { kind: 'tcp', backend: 'db', host: 'db.test', client: connection, durationMs: 1_500 } as const;
  const closed = { ...start, endpoint: '10.0.0.2:5432', receivedBytes: 7, sentBytes: 9, reason: 'closed' } as const;
  const failed = { ...start, kind: 'passthrough', failure: 'backend-refused', detail: 'ECONNREFUSED' } as const;
  const deps = { now: () => 1_000_001_500, random: () => 0.5, onTrouble: assert.fail };
  const logged = async (format: 'json' | 'combined', sample: number): Promise<string[]> => {
    const file = dir.join(`${format} ${sample}`);
    const observer = new Observer(deps, { metrics: undefined, accessLog: { format, file, sample } });
    observer.tunnel(closed);
    observer.tunnel(failed);
    await observer.close();
    return (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  };
  const both = (await logged('json', 1)).map((line) => JSON.parse(line) as Record<string, unknown>);
  const common = {
    time: '1970-01-12T13:46:40.000Z',
    client: '192.0.2.7',
    host: 'db.test',
    durationMs: 1500,
    backend: 'db',
  };
  assert.deepEqual(both, [
    { ...common, protocol: 'tcp', bytesIn: 7, bytesOut: 9, endpoint: '10.0.0.2:5432', end: 'closed' },
    { ...common, protocol: 'passthrough', failure: 'backend-refused' },
  ]);
  assert.equal((await logged('json', 0.1)).length, 1);
  assert.deepEqual(await logged('combined', 1), []);
});

test('a combined line is what log readers expect', () => {
  assert.equal(
    combinedLine(record(), at),
    '192.0.2.7 - - [22/Nov/2026:08:15:30 +0000] "GET /x?y=1 HTTP/2.0" 200 12 "https://b.test/" "curl/8"\n',
  );
  const bare = record({ headers: [], bytesOut: 0, version: '1.1' });
  assert.match(combinedLine(bare, at), /"GET \/x\?y=1 HTTP\/1\.1" 200 - "-" "-"\n$/);
});

test('whatever a client sends stays one field of one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (agent, target) => {
      const one = record({ headers: ['User-Agent', agent], target });
      const combined = combinedLine(one, at);
      assert.equal(combined.indexOf('\n'), combined.length - 1);
      assert.equal(combined.replaceAll(/\\./g, '').split('"').length, 7, combined);
      const json = jsonLine(one, at);
      assert.equal(json.indexOf('\n'), json.length - 1);
      assert.equal(typeof JSON.parse(json), 'object');
    }),
  );
});

test('counts go out once, by label, and routes beyond the first thousand are counted together', () => {
  const counters = new Counters();
  for (let i = 0; i < 1_500; i += 1) counters.exchange(record({ route: `route ${i}` }));
  counters.exchange(record({ status: 0, route: undefined, backend: undefined, backendMs: undefined }));
  counters.refused('http', 431);
  counters.limited('connections-per-client');
  const { requests, durations, backendDurations, limits } = counters.take();
  assert.equal(requests['https\nroute 7\n2xx'], 1);
  assert.equal(requests['https\nother\n2xx'], 500);
  assert.equal(requests['https\n\nnone'], 1);
  assert.equal(requests['http\n\n4xx'], 1);
  assert.equal(Object.keys(durations).length, 1_001);
  assert.deepEqual(Object.keys(backendDurations), ['app']);
  assert.deepEqual(limits, { 'connections-per-client': 1 });
  const next = counters.take();
  assert.deepEqual([next.requests, next.durations, next.limits], [{}, {}, {}]);
});

test('every duration is in exactly one bucket, the first whose bound it does not exceed', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 200_000, noNaN: true })), (all) => {
      const histogram = new Histogram();
      for (const ms of all) histogram.observe(ms);
      const { counts, sumSeconds } = histogram.take();
      const bounds: number[] = [...durationBounds, Infinity];
      const expected = bounds.map(
        (bound, i) => all.filter((ms) => ms / 1000 <= bound && ms / 1000 > (bounds[i - 1] ?? -1)).length,
      );
      assert.deepEqual(counts, expected);
      assert.ok(Math.abs(sumSeconds - all.reduce((sum, ms) => sum + ms / 1000, 0)) < 1e-6);
    }),
  );
});

test('counts of several workers add up to one cumulative histogram', async () => {
  const total = new WorkerHistogram('x_seconds', 'X.', 'route');
  for (const ms of [2, 2, 70_000]) {
    const one = new Histogram();
    one.observe(ms);
    total.add({ shop: one.take() });
  }
  const { values } = await total.get();
  const bucket = (le: number | string) => values.find(({ labels }) => labels['le'] === le)?.value;
  assert.deepEqual([bucket(0.001), bucket(0.0025), bucket(60), bucket('+Inf')], [0, 2, 2, 3]);
  assert.equal(values.find(({ metricName }) => metricName === 'x_seconds_count')?.value, 3);
});

test('lines reach the file in order, and a file that was moved away is made anew', async () => {
  await using directory = await tempDir();
  const file = directory.join('access.log');
  const troubles: string[] = [];
  const first = new LineWriter({ file, onTrouble: (message) => troubles.push(message) });
  for (let i = 0; i < 1_000; i += 1) first.write(`${i}\n`);
  await first.close();
  assert.deepEqual((await readFile(file, 'utf8')).split('\n').slice(0, -1).map(Number), [...Array(1_000).keys()]);
  assert.equal((await stat(file)).mode & 0o777, 0o640);
  await rename(file, directory.join('access.log.1'));
  const second = new LineWriter({ file, onTrouble: (message) => troubles.push(message) });
  second.write('new\n');
  await second.close();
  assert.equal(await readFile(file, 'utf8'), 'new\n');
  assert.deepEqual(troubles, []);
});

test('a log that cannot be written is said once, and holds nothing up', async () => {
  await using directory = await tempDir();
  const troubles: string[] = [];
  const writer = new LineWriter({ file: directory.join('none/access.log'), onTrouble: (text) => troubles.push(text) });
  writer.write('a\n');
  await writer.close();
  assert.equal(troubles.length, 1);
  assert.match(troubles[0] as string, /^The access log cannot be written: .*ENOENT/);
});

test('lines beyond what may wait are left out, and that is said', () => {
  const troubles: string[] = [];
  const writer = new LineWriter({ file: '/nowhere/at/all', onTrouble: (message) => troubles.push(message) });
  const line = `${'x'.repeat(99_999)}\n`;
  for (let i = 0; i < 100; i += 1) writer.write(line);
  assert.deepEqual(troubles, ['The access log is slower than the requests; lines are left out.']);
});

test('a share of the requests is written, and every failure; nothing at all is asked for when nobody wants it', async () => {
  await using directory = await tempDir();
  const file = directory.join('access.log');
  let random = 0;
  const deps = { now: () => at, random: () => (random = (random + 0.25) % 1), onTrouble: assert.fail };
  const observer = new Observer(deps, { accessLog: { format: 'json', file, sample: 0.5 } });
  for (let i = 0; i < 8; i += 1) observer.onExchange?.(record());
  observer.onExchange?.(record({ status: 503 }));
  observer.onExchange?.(record({ status: 504 }));
  observer.update({});
  assert.equal(observer.onExchange, undefined);
  await observer.close();
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const statuses = lines.map((line) => (JSON.parse(line) as { status: number }).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 503, 504]);
});
