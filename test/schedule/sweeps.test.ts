import assert from 'node:assert/strict';
import test from 'node:test';
import { silentLog, type Log } from '../../src/core/ports/log.ts';
import { runSweeps, standardSweeps, type SweepDeps } from '../../src/schedule/sweeps.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';
import { signal } from './support/plant.ts';

const everySecond = '* * * * * *';

test('a sweep runs at its time, never twice at once, and stopping aborts and awaits it', async () => {
  let started = 0;
  let ended = 0;
  const slow = {
    name: 'slow',
    at: everySecond,
    run: async (stop: AbortSignal): Promise<void> => {
      started += 1;
      await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      ended += 1;
      stop.throwIfAborted();
    },
  };
  let ticks = 0;
  const quick = { name: 'quick', at: everySecond, run: async () => await Promise.resolve(void (ticks += 1)) };
  const part = runSweeps([slow, quick], silentLog);
  await part.start(signal);
  await until(() => ticks >= 3);
  assert.equal(started, 1);
  await part[Symbol.asyncDispose]();
  await part[Symbol.asyncDispose]();
  assert.equal(ended, 1);
});

test('a sweep that fails is logged and runs again', async () => {
  const errors: string[] = [];
  const log: Log = { ...silentLog, error: (message) => void errors.push(message) };
  const broken = { name: 'broken', at: everySecond, run: async () => await Promise.reject(new Error('no')) };
  await using part = runSweeps([broken], log);
  await part.start(signal);
  await until(() => errors.length >= 2);
});

test('the signal given to start ends sweeps as well', async () => {
  const stop = new AbortController();
  let running = false;
  let aborted = false;
  const waits = {
    name: 'waits',
    at: everySecond,
    run: async (ending: AbortSignal): Promise<void> => {
      running = true;
      await new Promise((resolve) => ending.addEventListener('abort', resolve, { once: true }));
      aborted = true;
    },
  };
  const part = runSweeps([waits], silentLog);
  await part.start(stop.signal);
  await until(() => running);
  stop.abort();
  await part[Symbol.asyncDispose]();
  assert.equal(aborted, true);
});

test('purge, budgets and a look at the clock recur', async () => {
  const clock = new ManualClock();
  const called: string[] = [];
  const deps: SweepDeps = {
    registry: { purge: async (now) => await Promise.resolve(called.push(`purge ${now === clock.now()}`)) },
    budget: { prune: async () => await Promise.resolve(called.push('prune')) },
    waiting: ['scheduler', 'deliverer'].map((name) => ({ lookAgain: () => void called.push(name) })),
    clock,
    log: silentLog,
  };
  for (const sweep of standardSweeps(deps)) await sweep.run(signal);
  assert.deepEqual(called, ['purge true', 'prune', 'scheduler', 'deliverer']);
});
