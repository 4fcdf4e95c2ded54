import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { CertplaneError } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import type { ReloadCommand } from '../../src/deliver/reload-command.ts';
import { ReloadCommands, type ReloadRequest } from '../../src/deliver/reload-commands.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { tempDir } from '../support/tempdir.ts';

const never = new AbortController().signal;
const request = (program: string, more: Partial<ReloadRequest> = {}): ReloadRequest => ({
  argv: [program],
  timeoutMs: 1_000,
  keyPem: '',
  ...more,
});

interface Run {
  readonly command: ReloadCommand;
  readonly signal: AbortSignal;
  readonly end: PromiseWithResolvers<void>;
}

/** Commands whose runs end when the test says so. */
function scripted() {
  const clock = new ManualClock();
  const runs: Run[] = [];
  const execute = async (command: ReloadCommand, signal: AbortSignal): Promise<void> => {
    const run = { command, signal, end: Promise.withResolvers<void>() };
    signal.addEventListener('abort', () => run.end.reject(signal.reason as Error), { once: true });
    runs.push(run);
    await run.end.promise;
  };
  return { clock, runs, reloads: new ReloadCommands({ clock, execute }) };
}

test('those who ask within a moment share one run; who asks while it is under way gets the next one', async () => {
  const { clock, runs, reloads } = scripted();
  const first = Promise.all([
    reloads.run(request('nginx', { keyPem: 'key a', timeoutMs: 5_000 }), never),
    reloads.run(request('nginx', { keyPem: 'key b', timeoutMs: 9_000 }), never),
  ]);
  await clock.advance(400);
  assert.equal(runs.length, 0, 'others may follow');
  await clock.advance(100);
  assert.equal(runs.length, 1);
  const { keyPems, timeoutMs } = runs[0]?.command ?? {};
  assert.deepEqual([keyPems, timeoutMs], [['key a', 'key b'], 9_000]);
  const late = reloads.run(request('nginx'), never);
  const other = reloads.run(request('haproxy'), never);
  await clock.advance(60_000);
  assert.deepEqual(
    runs.map(({ command }) => command.argv[0]),
    ['nginx', 'haproxy'],
    'runs of one command follow each other, and hold up no other',
  );
  runs[0]?.end.resolve();
  runs[1]?.end.resolve();
  await Promise.all([first, other]);
  await clock.advance(500);
  assert.equal(runs.length, 3);
  runs[2]?.end.resolve();
  await late;
  assert.deepEqual(clock.pending, []);
});

test('a stream of requests that does not end holds a run up for ten seconds at most', async () => {
  const { clock, runs, reloads } = scripted();
  const asked: Promise<void>[] = [];
  for (let passedMs = 0; passedMs <= 11_000; passedMs += 200) {
    asked.push(reloads.run(request('nginx'), never));
    await clock.advance(200);
    for (const { end } of runs) end.resolve();
  }
  assert.equal(runs.length, 1);
  await clock.advance(1_000);
  for (const { end } of runs) end.resolve();
  await Promise.all(asked);
  assert.equal(runs.length, 2);
});

test('a failure is told to all whom the run was for, and to nobody else', async () => {
  const { clock, runs, reloads } = scripted();
  const refused = new CertplaneError('output.reload-failed', 'no');
  const failed = [1, 2].map(async () => await assert.rejects(reloads.run(request('nginx'), never), refused));
  await clock.advance(500);
  const next = reloads.run(request('nginx'), never);
  runs[0]?.end.reject(refused);
  await Promise.all(failed);
  await clock.advance(500);
  runs[1]?.end.resolve();
  await next;
});

test('never (§5.10): a run ends with the last one who waits for it, before it begins or after', async () => {
  for (const [passedMs, begun] of [
    [100, 0],
    [500, 1],
  ] as const) {
    const { clock, runs, reloads } = scripted();
    const [one, two] = [new AbortController(), new AbortController()];
    const ended = [one, two].map(
      async ({ signal }) => await assert.rejects(reloads.run(request('nginx'), signal), /stop/),
    );
    await clock.advance(passedMs);
    one.abort(new Error('stop'));
    await settle();
    assert.equal(runs[0]?.signal.aborted ?? false, false, 'somebody still waits');
    two.abort(new Error('stop'));
    await Promise.all(ended);
    assert.equal(runs.length, begun);
    assert.deepEqual(clock.pending, []);
    const again = reloads.run(request('nginx'), never);
    await clock.advance(500);
    runs.at(-1)?.end.resolve();
    await again;
  }
});

test('a real command is run once for many', async () => {
  await using temporary = await tempDir();
  const file = temporary.join('runs');
  const reloads = new ReloadCommands({ clock: systemClock });
  const argv = ['/bin/sh', '-c', `echo ran >> ${file}`];
  await Promise.all(
    Array.from({ length: 50 }, async () => await reloads.run(request('', { argv, timeoutMs: 20_000 }), never)),
  );
  assert.equal(readFileSync(file, 'utf8'), 'ran\n');
});

test('every delivery is followed by a run of its command that began after its switch, whose result it gets', async () => {
  const delivery = fc.record({
    afterMs: fc.integer({ min: 0, max: 1_500 }),
    command: fc.constantFrom('nginx', 'haproxy'),
    /** Of the run that begins next, whoever it is for. */
    takesMs: fc.integer({ min: 0, max: 3_000 }),
    fails: fc.boolean(),
    stops: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 25 }), async (deliveries) => {
      const clock = new ManualClock();
      const runs: { command: string; beganAt: number; endedAt?: number; failed?: boolean }[] = [];
      let [takesMs, fails] = [0, false];
      const execute = async ({ argv }: ReloadCommand, signal: AbortSignal): Promise<void> => {
        const run: (typeof runs)[number] = { command: argv[0] ?? '', beganAt: order() };
        assert.ok(!runs.some((one) => one.command === run.command && one.endedAt === undefined), 'two at once');
        runs.push(run);
        const failed = fails;
        try {
          await clock.sleep(takesMs, signal);
          run.failed = failed;
          if (failed) throw new CertplaneError('output.reload-failed', 'no');
        } finally {
          run.endedAt = order();
        }
      };
      let steps = 0;
      const order = (): number => (steps += 1);
      const reloads = new ReloadCommands({ clock, execute });
      const outcomes: Promise<void>[] = [];
      for (const { afterMs, command, stops, ...next } of deliveries) {
        await clock.advance(afterMs);
        ({ takesMs, fails } = next);
        const stop = new AbortController();
        const switchedAt = order();
        const covering = () => runs.filter((run) => run.command === command && run.beganAt > switchedAt && run.endedAt);
        outcomes.push(
          reloads.run(request(command), stop.signal).then(
            () => assert.ok(covering().some(({ failed }) => failed === false)),
            (error: unknown) => {
              if (stop.signal.aborted) assert.equal(error, stop.signal.reason);
              else assert.ok(covering().some(({ failed }) => failed === true));
            },
          ),
        );
        if (stops) void clock.sleep(700, never).then(() => stop.abort());
      }
      await clock.advance(60_000);
      await Promise.all(outcomes);
      assert.ok(runs.length <= deliveries.length);
      assert.deepEqual(clock.pending, []);
    }),
    { numRuns: 60 },
  );
});
