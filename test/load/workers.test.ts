import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend.ts';
import { startLoad } from '../support/load.ts';
import { until } from '../support/until.ts';
import { proxyRoute, startTerminator, type TestTerminator } from '../terminator/support/harness.ts';

function pids(terminator: TestTerminator): number[] {
  return terminator.supervisor.status().workers.map(({ pid }) => pid);
}

test('a worker that is killed under load is replaced with the same certificates; only what it carried is lost', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  const { serial } = await terminator.serve('file/a', 1, 'a.test');
  const common = { port: terminator.httpsPort, caPem: terminator.ca.certPem, servernames: ['a.test'] };
  await using load = startLoad({ ...common, mode: 'new', concurrency: 4 });
  await load.reached(100);
  const before = pids(terminator);
  const victim = before[0] as number;
  process.kill(victim, 'SIGKILL');
  await until(() => pids(terminator).length === 2 && !pids(terminator).includes(victim), { what: 'the replacement' });
  await load.reached(load.done + 200);
  const summary = await load.stop();
  // Connections that only waited in the backlog are taken by another worker: no more is lost than was being served.
  assert.ok(summary.failures <= 4, JSON.stringify(load.failures));
  assert.deepEqual(
    Object.keys(summary.serials['a.test'] ?? {}).map((one) => one.toUpperCase()),
    [serial],
  );
  const problem = terminator.supervisor.status().problems.find(({ code }) => code === 'terminator.worker-failed');
  assert.match(problem?.message ?? '', new RegExp(`${victim}.*SIGKILL`));
});

test('never (§5.3): workers that are added and taken away under load fail no request', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { workers: 1 },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const common = { port: terminator.httpsPort, caPem: terminator.ca.certPem, servernames: ['a.test'] };
  await using load = startLoad({ ...common, mode: 'new', concurrency: 6 });
  for (const workers of [3, 1, 2, 1]) {
    await load.reached(load.done + 100);
    const settings = { ...terminator.settings, workers };
    await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
    await until(() => pids(terminator).length === workers);
  }
  await load.reached(load.done + 100);
  await load.stop();
  assert.deepEqual(load.failures, []);
});
