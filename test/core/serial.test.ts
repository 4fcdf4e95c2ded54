import assert from 'node:assert/strict';
import test from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { Serial } from '../../src/core/serial.ts';

const signal = new AbortController().signal;

test('tasks run one at a time, in the order of asking, also after one that fails', async () => {
  const serial = new Serial();
  const inTurn = async <T>(task: () => Promise<T>, stop: AbortSignal): Promise<T> => await serial.run('', task, stop);
  const log: string[] = [];
  const task = (name: string) => async () => {
    log.push(`${name} begins`);
    await Promise.resolve();
    log.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map(async (name) => await inTurn(task(name), signal)));
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});

test('whoever is aborted while waiting leaves at once, and those behind still wait for the one ahead', async () => {
  const serial = new Serial();
  const inTurn = async <T>(task: () => Promise<T>, stop: AbortSignal): Promise<T> => await serial.run('', task, stop);
  const holding = Promise.withResolvers<void>();
  const stop = new AbortController();
  const ran: string[] = [];
  const first = inTurn(async () => await holding.promise, signal);
  const second = inTurn(async () => void ran.push('second'), stop.signal);
  const third = inTurn(async () => void ran.push('third'), signal);
  stop.abort();
  await assert.rejects(second, (error) => hasCode(error, 'process.aborted'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ran, []);
  holding.resolve();
  await Promise.all([first, third]);
  assert.deepEqual(ran, ['third']);
});
