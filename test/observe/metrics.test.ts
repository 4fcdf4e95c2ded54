import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { suite, test } from 'node:test';
import { Registry } from 'prom-client';
import { hasCode } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { createControlMetrics, type ControlStats } from '../../src/observe/control-metrics.ts';
import { createHistoryCounter } from '../../src/observe/history-counter.ts';
import { metricTable } from '../../src/observe/metric-table.ts';
import { createMetricsServer } from '../../src/observe/metrics-server.ts';
import { fetchOnce } from '../support/http.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { freePort } from '../support/ports.ts';
import { ScriptedView, viewOf } from '../support/scripted-view.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;

const stats: ControlStats = {
  attempts: () => [{ issuer: 'letsencrypt', result: 'acme.rate-limited', count: 3 }],
  queue: () => ({ running: 2, waiting: 5 }),
  feedRevision: () => 'epoch.42',
  history: () => [{ kind: 'issued', count: 7 }],
};

suite('the metrics of control', () => {
  test('tell phases, ends, what is overdue, attempts, queue, feed and terminators', async () => {
    const view = new ScriptedView();
    const clock = new ManualClock(now);
    view.set(
      viewOf('file/shop', now, {
        current: { notAfter: now + 90 * day },
        renewAt: now - 60_000,
        record: { failures: 2 },
      }),
      viewOf('file/new', now, { current: null, status: { phase: 'pending' } }),
    );
    view.issuerList = [
      { name: 'letsencrypt', kind: 'acme', problem: { code: 'issuer.unreachable', message: 'x' } },
      { name: 'local', kind: 'ca' },
    ];
    const terminator = { since: now, workers: [], listening: [], problems: [], served: 4, current: 'e.2' };
    view.terminatorList = [
      { ...terminator, id: 't1', connected: true, acknowledged: 'e.1' },
      { ...terminator, id: 't2', connected: false },
    ];
    view.problemList = [{ code: 'config.invalid', message: 'x', since: now }];
    const metrics = createControlMetrics({ view, stats, clock });
    const text = await metrics.metrics();
    for (const line of [
      'certplane_certificates{phase="ready"} 1',
      'certplane_certificates{phase="pending"} 1',
      `certplane_certificate_not_after_timestamp_seconds{certificate="file/shop"} ${(now + 90 * day) / 1000}`,
      'certplane_certificate_overdue_seconds{certificate="file/shop"} 60',
      'certplane_certificate_failures{certificate="file/shop"} 2',
      'certplane_certificate_phase{certificate="file/new",phase="pending"} 1',
      'certplane_issuance_attempts_total{issuer="letsencrypt",result="acme.rate-limited"} 3',
      'certplane_issuance_running 2',
      'certplane_issuance_queue 5',
      'certplane_issuer_up{issuer="letsencrypt"} 0',
      'certplane_issuer_up{issuer="local"} 1',
      'certplane_feed_revision 42',
      'certplane_terminators_connected 1',
      'certplane_terminator_up_to_date{terminator="t1"} 0',
      'certplane_problems{code="config.invalid"} 1',
      'certplane_history_entries_total{kind="issued"} 7',
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
    assert.ok(!text.includes('not_after_timestamp_seconds{certificate="file/new"}'));
    assert.ok(!text.includes('t2'));
  });

  test('what has gone has no series any more, and totals are not added up again with every scrape', async () => {
    const view = new ScriptedView();
    view.set(viewOf('file/gone', now));
    const metrics = createControlMetrics({ view, stats, clock: new ManualClock(now) });
    await metrics.metrics();
    view.remove('file/gone');
    const text = await metrics.metrics();
    assert.ok(!text.includes('file/gone'));
    assert.ok(text.includes('result="acme.rate-limited"} 3\n'));
  });

  test('series per certificate are bounded; the ones that end first are kept', async () => {
    const view = new ScriptedView();
    view.set(...[3, 1, 2].map((days) => viewOf(`file/d${days}`, now, { current: { notAfter: now + days * day } })));
    const metrics = createControlMetrics({ view, stats, clock: new ManualClock(now) }, { certificateSeries: 2 });
    const text = await metrics.metrics();
    assert.ok(text.includes('certplane_certificates_without_series 1\n'));
    assert.ok(text.includes('file/d1') && text.includes('file/d2') && !text.includes('file/d3'));
    assert.ok(text.includes('certplane_certificates{phase="ready"} 3\n'), 'counts leave nothing out');
  });

  test('are exactly those of the table, each with its help', async () => {
    const view = new ScriptedView();
    const text = await createControlMetrics({ view, stats, clock: new ManualClock(now) }).metrics();
    const helps = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help]);
    assert.deepEqual(Object.fromEntries(helps), metricTable);
  });

  test('attempts and history are counted on their way to the store', async () => {
    const store = new MemoryStore();
    const counter = createHistoryCounter({ store, issuerOf: (id) => (id === 'file/a' ? 'local' : undefined) });
    const entry = { at: now, message: 'x', actor: 'scheduler' };
    await counter.store.append({ ...entry, kind: 'issued', code: 'issued', certificateId: 'file/a' });
    await counter.store.append({
      ...entry,
      kind: 'failed',
      code: 'issuer.timeout',
      details: { issuer: 'letsencrypt' },
    });
    await counter.store.append({
      ...entry,
      kind: 'failed',
      code: 'issuer.timeout',
      details: { issuer: 'letsencrypt' },
    });
    await counter.store.append({ ...entry, kind: 'failed', code: 'certificate.worse' });
    await counter.store.append({ ...entry, kind: 'admin', code: 'x' });
    assert.deepEqual(
      [...counter.attempts()],
      [
        { issuer: 'local', result: 'issued', count: 1 },
        { issuer: 'letsencrypt', result: 'issuer.timeout', count: 2 },
        { issuer: 'unknown', result: 'certificate.worse', count: 1 },
      ],
    );
    assert.deepEqual(
      [...counter.history()],
      [
        { kind: 'issued', count: 1 },
        { kind: 'failed', count: 3 },
        { kind: 'admin', count: 1 },
      ],
    );
    assert.equal((await store.history({ limit: 10 })).length, 5);
  });
});

suite('the metrics server', () => {
  const listen = { host: '127.0.0.1', port: 0 };
  const registry = new Registry();

  test('answers liveness, readiness and metrics, and nothing else', async () => {
    let ready = false;
    await using server = createMetricsServer({
      listen,
      hosts: () => [],
      registry,
      ready: () => ready,
      clock: systemClock,
      log: silentLog,
    });
    await server.start(new AbortController().signal);
    const get = async (path: string, method = 'GET') => await fetchOnce(`${server.address}${path}`, { method });
    assert.equal((await get('/livez')).status, 200);
    assert.equal((await get('/readyz')).status, 503);
    ready = true;
    assert.equal((await get('/readyz')).status, 200);
    const metrics = await get('/metrics?x=1');
    assert.match(metrics.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    assert.equal((await get('/other')).status, 404);
    assert.equal((await get('/metrics', 'POST')).status, 405);
    const head = await get('/livez', 'HEAD');
    assert.deepEqual([head.status, head.body], [200, '']);
  });

  test('on loopback a page of another name cannot read them (DNS rebinding); addresses and hosts of routes can', async () => {
    await using server = createMetricsServer({
      listen,
      hosts: () => ['metrics.example.com', '*.apps.example.com'],
      registry,
      ready: () => true,
      clock: systemClock,
      log: silentLog,
    });
    await server.start(new AbortController().signal);
    const get = async (host: string, path = '/metrics') =>
      (await fetchOnce(`${server.address}${path}`, { headers: { host } })).status;
    for (const host of ['localhost:1', 'LOCALHOST', '127.0.0.1', '[::1]:9402', '10.0.0.7:80', 'a.localhost'])
      assert.equal(await get(host), 200, host);
    for (const host of ['metrics.example.com', 'Metrics.Example.com:443', 'x.apps.example.com'])
      assert.equal(await get(host), 200, host);
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'a.b.apps.example.com',
      '[x',
    ])
      assert.equal(await get(host), 403, host);
    assert.equal(await get('evil.example', '/livez'), 200, 'there is nothing to read');
  });

  test('scrapes at the same time share one collection, and a failed one is told and logged', async () => {
    const gate = Promise.withResolvers<string>();
    let collections = 0;
    const slow = {
      contentType: registry.contentType,
      metrics: async () => {
        collections += 1;
        return await gate.promise;
      },
    };
    await using server = createMetricsServer({
      listen,
      hosts: () => [],
      registry: slow,
      ready: () => true,
      clock: systemClock,
      log: silentLog,
    });
    await server.start(new AbortController().signal);
    const both = [fetchOnce(`${server.address}/metrics`), fetchOnce(`${server.address}/metrics`)];
    await fetchOnce(`${server.address}/livez`);
    gate.reject(new Error('a secret reason'));
    for (const { status, body } of await Promise.all(both)) {
      assert.equal(status, 500);
      assert.ok(!body.includes('secret'));
    }
    assert.equal(collections, 1);
  });

  test('an address in use is named with the option to change, a foreign one too', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    try {
      await using server = createMetricsServer({
        listen: { host: '127.0.0.1', port },
        hosts: () => [],
        registry,
        ready: () => true,
        clock: systemClock,
        log: silentLog,
      });
      await assert.rejects(server.start(new AbortController().signal), (error: Error) => {
        assert.ok(hasCode(error, 'terminator.address-in-use'));
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*metrics\\.listen`));
        return true;
      });
    } finally {
      other.close();
    }
    await using foreign = createMetricsServer({
      listen: { host: '192.0.2.1', port: 0 },
      hosts: () => [],
      registry,
      ready: () => true,
      clock: systemClock,
      log: silentLog,
    });
    await assert.rejects(foreign.start(new AbortController().signal), (error: unknown) =>
      hasCode(error, 'terminator.address-forbidden'),
    );
  });

  test('never (§5.10): stopping cuts open connections, also with the signal, and twice does no harm', async () => {
    const stop = new AbortController();
    await using server = createMetricsServer({
      listen,
      hosts: () => [],
      registry,
      ready: () => true,
      clock: systemClock,
      log: silentLog,
    });
    await server.start(stop.signal);
    const kept = await fetch(`${server.address}/livez`);
    await kept.text();
    stop.abort();
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await assert.rejects(fetchOnce(`${server.address}/livez`));
    await assert.rejects(server.start(new AbortController().signal));
  });
});
