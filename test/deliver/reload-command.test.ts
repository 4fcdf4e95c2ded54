import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hasCode, type CertplaneError, type ErrorCode } from '../../src/core/errors.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { endGroup, runReloadCommand } from '../../src/deliver/reload-command.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;

interface RunOptions {
  timeoutMs?: number;
  clock?: Clock;
  signal?: AbortSignal;
}

async function run(argv: readonly string[], options: RunOptions = {}): Promise<void> {
  const { timeoutMs = 20_000, clock = systemClock, signal = never } = options;
  await runReloadCommand({ argv, timeoutMs, clock }, signal);
}

async function failure(promise: Promise<void>, code: ErrorCode): Promise<CertplaneError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return error as CertplaneError;
  }
  throw new assert.AssertionError({ message: `${code} was expected` });
}

function alive(pid: number): boolean {
  try {
    // A zombie that its new parent has not collected yet is not alive.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

test('a command that ends with 0 is a success', async () => {
  await run(['/bin/sh', '-c', 'echo fine; exit 0']);
});

test('a failing command is named with its exit code and what it printed to either stream', async () => {
  const error = await failure(run(['sh', '-c', 'echo to-out; echo to-err >&2; exit 3']), 'output.reload-failed');
  assert.match(error.message, /sh ended with exit code 3/);
  assert.match(error.message, /to-out/);
  assert.match(error.message, /to-err/);
  assert.match(
    (await failure(run(['sh', '-c', 'kill -9 $$']), 'output.reload-failed')).message,
    /SIGKILL.* printed nothing/,
  );
});

test('only the end of a long output is kept, without control characters', async () => {
  const script = 'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done; printf "\\033[31mred\\007"; exit 1';
  const error = await failure(run(['sh', '-c', script]), 'output.reload-failed');
  assert.match(error.message, /The end of its output:/);
  assert.ok(error.message.includes('line 19999') && !error.message.includes('line 100\n'));
  assert.ok(error.message.endsWith('[31mred'), error.message.slice(-20));
  assert.ok(error.message.length < 4400);
});

test('never (§5.9): a key whose beginning was cut off leaves no line behind either', async () => {
  const line = `MIIEvQ${'x'.repeat(58)}`;
  const script =
    'echo "-----BEGIN PRIVATE KEY-----"; i=0; while [ $i -lt 2000 ]; do echo "$0"; i=$((i+1)); done; ' +
    'echo "-----END PRIVATE KEY-----"; echo after; exit 1';
  const error = await failure(run(['sh', '-c', script, line]), 'output.reload-failed');
  assert.match(error.message, /The end of its output:\n\[removed\]\nafter$/);
  const whole = await failure(run(['sh', '-c', script.replace('2000', '100'), line]), 'output.reload-failed');
  assert.match(whole.message, / Its output:\n\[removed\]\nafter$/);
});

test('a program that is missing, not executable or no program at all is a failed reload', async () => {
  assert.match((await failure(run(['no-such-program-here']), 'output.reload-failed')).message, /was not found/);
  assert.match(
    (await failure(run(['/etc/passwd']), 'output.reload-failed')).message,
    /was not found or may not be executed/,
  );
  await failure(run(['']), 'output.reload-failed');
  await failure(run(['true', 'nul\0byte']), 'output.reload-failed');
});

test('there is no shell: arguments arrive as they are', async () => {
  await using temporary = await tempDir();
  const error = await failure(
    run(['sh', '-c', 'printf "%s|" "$@"; exit 1', 'sh', `$(touch ${temporary.join('x')})`, '; true', 'a b']),
    'output.reload-failed',
  );
  assert.ok(error.message.includes('; true|a b|'));
  assert.equal(existsSync(temporary.join('x')), false);
});

test('never (§5.9): the command does not inherit our environment', async () => {
  process.env['CERTPLANE_TOKEN'] = 'SECRET-OF-OURS';
  try {
    const error = await failure(run(['sh', '-c', 'env; exit 1']), 'output.reload-failed');
    assert.match(error.message, /^PATH=/m);
    assert.equal(error.message.includes('SECRET-OF-OURS'), false);
  } finally {
    delete process.env['CERTPLANE_TOKEN'];
  }
});

test('never (§5.10): a command that hangs is ended with all its children when its time is over', async () => {
  await using temporary = await tempDir();
  const clock = new ManualClock();
  const pids = temporary.join('pids');
  const hanging = run(
    ['sh', '-c', `echo hanging; sleep 1000 & echo $$ $! > ${pids}.new; mv ${pids}.new ${pids}; wait`],
    {
      timeoutMs: 30_000,
      clock,
    },
  );
  const failed = failure(hanging, 'output.reload-timeout');
  await until(() => existsSync(pids));
  await clock.advance(30_000);
  const error = await failed;
  assert.match(error.message, /within 30 s and was stopped/);
  assert.match(error.message, /hanging/);
  for (const pid of readFileSync(pids, 'utf8').trim().split(' '))
    await until(() => !alive(Number(pid)), { what: `the end of ${pid}` });
  assert.deepEqual(clock.pending, []);
});

test('a command that ignores SIGTERM is killed after two more seconds', async () => {
  await using temporary = await tempDir();
  const clock = new ManualClock();
  const ready = temporary.join('ready');
  const hanging = run(['sh', '-c', `trap "echo ignored" TERM; touch ${ready}; while :; do sleep 0.05; done`], {
    timeoutMs: 5_000,
    clock,
  });
  const failed = failure(hanging, 'output.reload-timeout');
  await until(() => existsSync(ready));
  await clock.advance(5_000);
  await until(() => clock.pending.length > 0, { what: 'the grace period' });
  await clock.advance(2_000);
  await failed;
});

test('never (§5.6, §5.10): a command that not even SIGKILL ends is waited for three seconds, and named', async () => {
  const clock = new ManualClock();
  let left = false;
  // No process can be made to wait in the kernel for the sake of a test: this one has ended, and nobody is told.
  const { pid } = spawnSync('true');
  const ending = endGroup({ pid, unref: () => (left = true) }, new Promise(() => undefined), clock);
  await clock.advance(4_900);
  assert.equal(left, false);
  await clock.advance(100);
  assert.match(await ending, new RegExp(`still there although it was killed \\(process ${pid} `));
  assert.ok(left);
  assert.deepEqual(clock.pending, []);
});

test('never (§5.10): the signal ends the command, and its reason is what comes out', async () => {
  await using temporary = await tempDir();
  const stop = new AbortController();
  const file = temporary.join('pid');
  const running = run(['sh', '-c', `echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 1000`], {
    signal: stop.signal,
  });
  const rejected = assert.rejects(running, /stopping/);
  const pid = Number(await until(() => existsSync(file) && readFileSync(file, 'utf8').trim()));
  stop.abort(new Error('stopping'));
  await rejected;
  await until(() => !alive(pid));
  await assert.rejects(run(['touch', temporary.join('not-run')], { signal: stop.signal }), /stopping/);
  assert.equal(existsSync(temporary.join('not-run')), false);
});

test('a process left in the background does not hold the command up', async () => {
  await using temporary = await tempDir();
  const file = temporary.join('pid');
  await run(['sh', '-c', `sleep 1000 & echo $! > ${file}`]);
  const pid = Number(readFileSync(file, 'utf8'));
  assert.ok(alive(pid), 'it is left alone');
  process.kill(pid, 'SIGKILL');
});
