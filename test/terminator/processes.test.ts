import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLog } from '../../src/core/ports/log.ts';
import { defaultTimeouts } from '../../src/core/terminator.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { createFeedSource } from '../../src/terminator/source/feed-source.ts';
import { startBackend } from '../support/backend.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { freePort } from '../support/ports.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { until } from '../support/until.ts';
import {
  proxyRoute,
  respondRoute,
  settingsFor,
  startTerminator,
  untilReady,
  type TestTerminator,
} from './support/harness.ts';
import type { TestFeed } from './support/test-feed.ts';

function pids(terminator: TestTerminator): number[] {
  return terminator.supervisor.status().workers.map(({ pid }) => pid);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Lets a clock go on by itself, faster than a real one. */
function passing(clock: ManualClock): AsyncDisposable {
  const stop = new AbortController();
  const end = (async () => {
    while (!stop.signal.aborted) {
      await clock.advance(200);
      await delay(10);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await end;
    },
  };
}

test('a worker that dies while control is dead returns with the same certificates and challenge answers', async () => {
  const ca = await TestCa.create();
  await using directory = await tempDir();
  const shared = {
    ca,
    cacheDirectory: directory.path,
    routes: [respondRoute('a.test', 'a')],
    settings: { workers: 1 },
  };
  let serial: string;
  {
    await using terminator = await startTerminator(shared);
    ({ serial } = await terminator.serve('file/a', 1, 'a.test'));
    const answer = { type: 'http-01', token: 'tok', identifier: 'a.test', keyAuthorization: 'tok.key' } as const;
    await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'challenge', ...answer }));
  }
  // Started anew beside a control process that is not there: all there is to serve from is the last-good copy.
  const source = {
    socketPath: directory.join('nobody.sock'),
    terminatorId: 'test',
    clock: systemClock,
    log: silentLog,
  };
  await using again = await startTerminator({ ...shared, feed: createFeedSource(source) as TestFeed });
  for (let i = 0; i < 2; i += 1) {
    const [victim] = pids(again) as [number];
    assert.equal(await again.serial('a.test'), serial);
    process.kill(victim, 'SIGKILL');
    await until(() => pids(again).length === 1 && !pids(again).includes(victim), { what: 'the replacement' });
    assert.equal(await again.serial('a.test'), serial);
    assert.equal((await again.fetch('a.test', '/')).body, 'a');
    assert.equal((await again.plain('x.test', '/.well-known/acme-challenge/tok')).body, 'tok.key');
  }
});

test('never (§5.9): workers get no variable of the environment that may be a credential', async (t) => {
  const { readFile } = await import('node:fs/promises');
  if (process.platform !== 'linux') return t.skip('needs /proc');
  process.env['DNS_API_TOKEN'] = 'secret';
  t.after(() => delete process.env['DNS_API_TOKEN']);
  await using terminator = await startTerminator({ settings: { workers: 1 }, routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  const environment = await readFile(`/proc/${pids(terminator)[0]}/environ`, 'utf8');
  assert.match(environment, /(?:^|\0)PATH=/);
  assert.doesNotMatch(environment, /DNS_API_TOKEN|secret/);
});

test('a worker that crashes again and again is started less and less often, and comes back', async () => {
  await using terminator = await startTerminator({ settings: { workers: 1 }, routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  for (let i = 0; i < 3; i += 1) {
    const [pid] = await until(() => (pids(terminator).length === 1 ? pids(terminator) : undefined));
    process.kill(pid as number, 'SIGKILL');
    await until(() => !pids(terminator).includes(pid as number));
  }
  await untilReady(terminator.supervisor);
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  const problem = terminator.supervisor.status().problems.find(({ code }) => code === 'terminator.worker-failed');
  assert.match(problem?.message ?? '', /SIGKILL/);
});

test('workers leave SIGINT and SIGTERM to the supervisor', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  for (let i = 0; i < 4; i += 1) assert.equal((await terminator.fetch('a.test', '/')).body, 'a'); // they are all up
  const before = pids(terminator);
  for (const pid of before) for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
  for (let i = 0; i < 4; i += 1) assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  assert.deepEqual(pids(terminator), before);
});

test('never (§5.10): draining lets a request end, takes no new connection and leaves no process', async () => {
  await using backend = await startBackend();
  const terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { timeouts: { ...defaultTimeouts, drainMs: 600_000 } },
  });
  try {
    await terminator.serve('file/a', 1, 'a.test');
    const port = terminator.httpsPort;
    const slow = terminator.fetch('a.test', '/slow?ms=700', { headers: { connection: 'keep-alive' } });
    const idle = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
    await until(() => backend.openConnections === 1);
    const before = pids(terminator);
    let closed = false;
    idle.resume().once('close', () => (closed = true));
    const drained = terminator.supervisor.drain();
    const { status, headers } = await slow;
    assert.deepEqual([status, headers['connection']], [200, 'close']);
    await until(() => closed, { what: 'the end of a connection that was never used' });
    await drained;
    assert.equal(before.some(isAlive), false);
    assert.equal(terminator.supervisor.status().ready, false);
    await assert.rejects(terminator.handshake('a.test', { port }));
  } finally {
    await terminator[Symbol.asyncDispose]();
  }
});

test('what does not end by itself is cut at the drain deadline', async () => {
  await using backend = await startBackend();
  const terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { timeouts: { ...defaultTimeouts, drainMs: 300 } },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const hanging = terminator.fetch('a.test', '/hang');
  await until(() => backend.openConnections === 1);
  const rejected = assert.rejects(hanging);
  await terminator[Symbol.asyncDispose]();
  await rejected;
});

test('a drain that is cut ends at once, with what is still open', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { timeouts: { ...defaultTimeouts, drainMs: 600_000 } },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const cut = assert.rejects(terminator.fetch('a.test', '/hang'));
  await until(() => backend.openConnections === 1);
  const before = pids(terminator);
  const drained = terminator.supervisor.drain();
  terminator.supervisor.cut();
  await drained;
  await cut;
  assert.equal(before.some(isAlive), false);
  assert.deepEqual(terminator.supervisor.status().workers, []);
});

test('a new address is open before the old one closes, and the rest of the settings changes in place', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'old')] });
  await terminator.serve('file/a', 1, 'a.test');
  const [oldPort, newPort] = [terminator.httpsPort, await freePort()];
  const before = pids(terminator);
  const open = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  const settings = {
    ...terminator.settings,
    routes: [respondRoute('a.test', 'new')],
    https: [{ host: '127.0.0.1', port: newPort }],
  };
  let gap = false;
  const watching = (async () => {
    // Whenever the new one does not answer yet, the old one does.
    for (;;) {
      const viaNew = await terminator.handshake('a.test', { port: newPort }).catch(() => undefined);
      viaNew?.destroy();
      if (viaNew !== undefined) return;
      const viaOld = await terminator.handshake('a.test', { port: oldPort }).catch(() => undefined);
      viaOld?.destroy();
      const nowNew = await terminator.handshake('a.test', { port: newPort }).catch(() => undefined);
      nowNew?.destroy();
      if (viaOld === undefined && nowNew === undefined) gap = true;
    }
  })();
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  await watching;
  assert.equal(gap, false);
  assert.equal(terminator.httpsPort, newPort);
  assert.equal((await terminator.fetch('a.test', '/')).body, 'new');
  await assert.rejects(terminator.handshake('a.test', { port: oldPort }));
  assert.deepEqual(pids(terminator), before, 'by the same workers');
  open.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
  const [chunk] = (await once(open, 'data')) as [Buffer];
  assert.match(chunk.toString(), /new$/, 'connections of the old address live on');
});

test('an address that cannot be opened is a problem by code, closes nothing, and is opened when it is free', async () => {
  await using other = await startBackend();
  const clock = new ManualClock(Date.now());
  // An address in use is waited for, as a predecessor may be about to let go of it.
  await using _passing = passing(clock);
  await using terminator = await startTerminator({ clock, routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  const oldPort = terminator.httpsPort;
  const settings = { ...terminator.settings, https: [{ host: '127.0.0.1', port: other.port }] };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  assert.deepEqual(
    terminator.supervisor.status().problems.map(({ code }) => code),
    ['terminator.address-in-use'],
  );
  assert.equal(terminator.httpsPort, oldPort);
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  await other[Symbol.asyncDispose]();
  await until(() => terminator.httpsPort === other.port, { what: 'the address, now that it is free' });
  await until(() => terminator.supervisor.status().problems.length === 0, { what: 'the end of the problem' });
  // One that was refused at the start is an error there.
  await using taken = await startBackend();
  await assert.rejects(startTerminator({ clock, settings: { https: [{ host: '127.0.0.1', port: taken.port }] } }), {
    code: 'terminator.address-in-use',
  });
});

test('an address that excludes the old one takes its place', async () => {
  const port = await freePort();
  await using terminator = await startTerminator({
    routes: [respondRoute('a.test', 'a')],
    settings: { https: [{ host: '127.0.0.1', port }] },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const settings = { ...terminator.settings, https: [{ host: '0.0.0.0', port }] };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  assert.deepEqual(terminator.supervisor.status().problems, []);
  assert.ok(terminator.supervisor.status().listening.includes(`https://0.0.0.0:${port}`));
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
});

test('without settings the terminator waits for the feed to bring them', async () => {
  await using terminator = await startTerminator({ withoutSettings: true });
  assert.deepEqual(terminator.supervisor.status().listening, []);
  terminator.feed.publish({ kind: 'settings', settings: settingsFor({}, [respondRoute('a.test', 'a')]) });
  await terminator.serve('file/a', 1, 'a.test');
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
});

test('metrics and health: counts of all workers, ready when it listens and has certificates', async () => {
  await using terminator = await startTerminator({
    settings: { metrics: { host: '127.0.0.1', port: 0 } },
    routes: [respondRoute('a.test', 'a')],
  });
  const { fetchOnce } = await import('../support/http.ts');
  const get = (path: string) => fetchOnce(`http://127.0.0.1:${terminator.supervisor.status().metricsPort}${path}`);
  assert.equal((await get('/livez')).status, 200);
  await terminator.serve('file/a', 1, 'a.test');
  await terminator.serve('file/a', 2, 'a.test');
  assert.equal((await get('/readyz')).status, 200);
  for (let i = 0; i < 7; i += 1) await terminator.fetch('a.test', '/');
  await terminator.fetch('unknown.test', '/', { servername: 'a.test' });
  await assert.rejects(terminator.handshake('unknown.test'));
  const text = await until(async () => {
    const { body } = await get('/metrics');
    const all = body.includes('requests_total{protocol="https",route="a.test/",status="2xx"} 7');
    return all && body.includes('4xx') ? body : undefined;
  });
  for (const line of [
    'requests_total{protocol="https",route="",status="4xx"} 1',
    'request_duration_seconds_bucket{route="a.test/",le="+Inf"} 7',
    'request_duration_seconds_count{route="a.test/"} 7',
    'handshake_failures_total{reason="unknown-name"} 1',
    'rotations_total 1',
    'rotation_seconds_count 1',
    'certificates 1',
    'workers 2',
    'feed_connected 1',
    'feed_lag_seconds 0',
  ]) {
    assert.ok(text.includes(`certplane_terminator_${line}`), `${line} in\n${text}`);
  }
  assert.match(text, /handshakes_total\{version="TLSv1.3",cipher="TLS_[A-Z0-9_]+",resumed="false"\} \d+/);
  const inUse = text.match(/certificate_not_after_seconds\{certificate="file\/a",name="a.test",.*serial="[0-9A-F]+"/g);
  assert.equal(inUse?.length, 2, 'the serial in use, for each worker');
  assert.equal((await get('/nothing')).status, 404);
});
