import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Log } from '../../src/core/ports/log.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { ChildFailed, keepRunning, type Child } from '../../src/main/child.ts';
import type { Refusal } from '../../src/main/refusal.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

/** A program that notes each start, says that it is ready, notes SIGHUP, and does what its last argument says. */
const program = `
import { appendFileSync, readFileSync, writeSync } from 'node:fs';
const [log, behaviour] = process.argv.slice(2);
const note = (text) => appendFileSync(log, text + '\\n');
process.on('SIGHUP', () => note('hang-up'));
process.on('SIGTERM', () => {
  note('end');
  if (behaviour === 'promise') writeSync(Number(process.env.CERTPLANE_PARENT_FD), 'ends-within 20\\n');
  if (behaviour !== 'hang' && behaviour !== 'promise') process.exit(behaviour === 'fail' ? 1 : 0);
});
const starts = () => readFileSync(log, 'utf8').split('\\n').filter((line) => line.startsWith('start')).length;
note('start ' + process.pid);
if (behaviour === 'refuse') process.exit(3);
if (behaviour === 'explain' && starts() < 3) {
  writeSync(Number(process.env.CERTPLANE_PARENT_FD), 'refused {"code":"store.corrupt","message":"damaged"}\\n');
  process.exit(3);
}
if (behaviour === 'die-unready' && starts() === 1) process.kill(process.pid, 'SIGKILL');
writeSync(Number(process.env.CERTPLANE_PARENT_FD), 'ready\\n');
note('ready');
if (behaviour === 'crash' && starts() < 4) setTimeout(() => process.exit(7), 1);
setInterval(() => {}, 1000);
`;

interface Running extends AsyncDisposable {
  readonly child: Child;
  readonly lines: () => Promise<string[]>;
  /** Resolves whether it ended well. */
  readonly stop: () => Promise<boolean>;
  readonly waits: number[];
  readonly errors: string[];
}

async function start(
  dir: TempDir,
  behaviour: string,
  onRefused?: (refusal: Refusal) => Promise<boolean>,
): Promise<Running> {
  const bin = dir.join('program.mjs');
  const file = dir.join('log');
  await writeFile(bin, program);
  await writeFile(file, '');
  const stop = new AbortController();
  const waits: number[] = [];
  const errors: string[] = [];
  const log: Log = {
    ...silentLog,
    error: (message, fields) => {
      errors.push(message);
      waits.push(fields?.['afterMs'] as number);
    },
  };
  // Whatever hangs says "ends-within" at once or never: the one limit is far away where the other is meant.
  const answerMs = behaviour === 'hang' ? 20 : 60_000;
  const limits = { answerMs, marginMs: 20, killMs: 60_000 };
  const options = { name: 'program', args: [file, behaviour], bin, log, limits, onRefused };
  const child = keepRunning(options, stop.signal);
  return {
    child,
    waits,
    errors,
    stop: async () => {
      stop.abort();
      return await child.ended;
    },
    lines: async () => (await readFile(file, 'utf8')).split('\n').filter((line) => line !== ''),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await child.ended;
    },
  };
}

test('a child that ends is started again, after twice the wait each time', async () => {
  await using dir = await tempDir();
  await using running = await start(dir, 'crash');
  await running.child.firstReady;
  const lines = await until(
    async () => {
      const seen = await running.lines();
      return seen.filter((line) => line === 'ready').length === 4 && seen;
    },
    { what: 'the fourth start' },
  );
  assert.equal(new Set(lines.filter((line) => line.startsWith('start'))).size, 4, 'each is a process of its own');
  assert.deepEqual(running.waits, [50, 100, 200]);
});

test('a child that ends by itself before it was ever ready is not started again, and its exit code is told', async () => {
  await using dir = await tempDir();
  await using running = await start(dir, 'refuse');
  await assert.rejects(running.child.firstReady, (error) => error instanceof ChildFailed && error.exitCode === 3);
  await running.child.ended;
  assert.equal((await running.lines()).length, 1);
});

test('a child that says why it does not start is tried again where that is wanted, every 30 s or when told to', async () => {
  await using dir = await tempDir();
  const refusals: Refusal[] = [];
  await using running = await start(dir, 'explain', (refusal) => Promise.resolve(refusals.push(refusal) > 0));
  const waited = async (times: number) => await until(() => running.waits.length === times, { what: 'the wait' });
  await waited(1);
  assert.deepEqual(running.waits, [30_000]);
  running.child.hangUp();
  await waited(2);
  running.child.hangUp();
  await running.child.firstReady;
  const said = { code: 'store.corrupt', message: 'damaged' };
  assert.deepEqual(refusals, [said, said]);
  assert.equal(await running.stop(), true);
});

test('a child that never came up has not ended well, and where nobody wants it to be tried again it is not', async () => {
  await using dir = await tempDir();
  await using waiting = await start(dir, 'explain', () => Promise.resolve(true));
  await until(() => waiting.waits.length === 1, { what: 'the wait' });
  assert.equal(await waiting.stop(), false);
  await using given = await start(dir, 'explain', () => Promise.resolve(false));
  await assert.rejects(given.child.firstReady, ChildFailed);
  await given.child.ended;
  assert.equal((await given.lines()).length, 1);
});

test('a child that is killed before it was ready is started again', async () => {
  await using dir = await tempDir();
  await using running = await start(dir, 'die-unready');
  await running.child.firstReady;
  assert.equal((await running.lines()).filter((line) => line.startsWith('start')).length, 2);
});

test('SIGHUP waits until the child can take it, and then arrives once', async () => {
  await using dir = await tempDir();
  await using running = await start(dir, 'stay');
  running.child.hangUp();
  running.child.hangUp();
  await running.child.firstReady;
  await until(async () => (await running.lines()).includes('hang-up'), { what: 'the hang-up' });
  running.child.hangUp();
  const two = async () => (await running.lines()).filter((line) => line === 'hang-up').length === 2;
  await until(two, { what: 'the second hang-up' });
  assert.equal((await running.lines()).filter((line) => line.startsWith('start')).length, 1);
});

test('stopping sends SIGTERM and waits for the end', async () => {
  await using dir = await tempDir();
  let lines: () => Promise<string[]>;
  {
    await using running = await start(dir, 'stay');
    ({ lines } = running);
    await running.child.firstReady;
  }
  assert.equal((await lines()).at(-1), 'end');
});

for (const [behaviour, meaning] of Object.entries({
  hang: 'says nothing when it is to stop',
  promise: 'takes longer to stop than it said',
})) {
  test(`a child that ${meaning} is killed, and that is no good end`, async () => {
    await using dir = await tempDir();
    await using running = await start(dir, behaviour);
    await running.child.firstReady;
    assert.equal(await running.stop(), false);
    assert.equal((await running.lines()).at(-1), 'end', 'it was asked first');
    assert.match(running.errors.join(), /^program has not stopped within .* and is killed\.$/);
  });
}

test('a child that ends with an error when it is to stop has not ended well; one that ends with 0 has', async () => {
  await using dir = await tempDir();
  await using failing = await start(dir, 'fail');
  await failing.child.firstReady;
  assert.equal(await failing.stop(), false);
  await using good = await start(dir, 'stay');
  await good.child.firstReady;
  assert.equal(await good.stop(), true);
});
