import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../support/manual-clock.ts';
import { until } from '../../support/until.ts';
import { respondRoute, startTerminator } from '../support/harness.ts';

test('never (§5.11): after a suspend no worker is taken for hung; one that really hangs is replaced', async (t) => {
  const clock = new ManualClock(Date.now());
  await using terminator = await startTerminator({
    clock,
    settings: { workers: 1 },
    routes: [respondRoute('a.test', 'a')],
  });
  await terminator.serve('file/a', 1, 'a.test');
  const pids = (): number[] => terminator.supervisor.status().workers.map(({ pid }) => pid);
  const [worker] = pids() as [number];
  const real = performance.now.bind(performance);
  let ahead = 0;
  t.mock.method(performance, 'now', () => real() + ahead);
  const housekeeping = async (ms: number): Promise<void> => {
    ahead += ms;
    await clock.advance(5_000);
  };

  await housekeeping(120_000);
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  assert.deepEqual(pids(), [worker]);

  process.kill(worker, 'SIGSTOP');
  for (let i = 0; i < 7; i += 1) await housekeeping(5_000);
  await until(() => pids().length === 1 && !pids().includes(worker), { what: 'the replacement' });
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
});
