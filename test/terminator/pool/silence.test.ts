import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from '../../support/until.ts';
import { startTerminator } from '../support/harness.ts';

test('never (§5.11): after a suspend no worker is taken for hung; one that really hangs is replaced', async (t) => {
  await using terminator = await startTerminator({ settings: { workers: 1 } });
  const pid = (): number | undefined => terminator.supervisor.status().workers[0]?.pid;
  const before = pid() as number;
  const real = performance.now.bind(performance);
  let ahead = 0;
  t.mock.method(performance, 'now', () => real() + ahead);
  // Housekeeping runs every 5 s; the clock has moved on by a minute when it does.
  const looked = t.mock.method(process, 'kill');
  ahead = 60_000;
  const deadline = Date.now() + 7_000;
  await until(() => Date.now() > deadline, { what: 'a round of housekeeping', timeoutMs: 10_000 });
  assert.equal(pid(), before);
  looked.mock.restore();
});
