import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { Problems } from '../../../src/terminator/intake/problems.ts';
import { WatchedFiles } from '../../../src/terminator/intake/watched-files.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';

interface Watching extends AsyncDisposable {
  readonly files: WatchedFiles;
  readonly problems: Problems;
  changes: number;
  /** Lets one look happen, and waits for what it brings. */
  look(done: () => boolean, what: string): Promise<void>;
}

function check(_path: string, text: string): string | undefined {
  return text.includes('bad') ? 'It is bad.' : undefined;
}

function watching(): Watching {
  const clock = new ManualClock();
  const problems = new Problems(clock, () => undefined);
  const stop = new AbortController();
  const files = new WatchedFiles(
    { clock, problems, check, onChange: () => (result.changes += 1) },
    { name: 'file', maxBytes: 1_000 },
  );
  const running = files.run(stop.signal);
  const result: Watching = {
    files,
    problems,
    changes: 0,
    async look(done, what) {
      await until(() => clock.pending.length > 0, { what: 'waiting' });
      await clock.advance(5_000);
      await until(done, { what });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
  return result;
}

test('a file is read at once, and again when it changes, is renamed over, or its link leads elsewhere', async () => {
  await using dir = await tempDir();
  await using watch = watching();
  const path = dir.join('..data', 'ca.pem');
  await mkdir(dir.join('one'));
  await mkdir(dir.join('two'));
  await writeFile(dir.join('one', 'ca.pem'), 'first');
  await writeFile(dir.join('two', 'ca.pem'), 'linked');
  await symlink('one', dir.join('..data'));
  await watch.files.watch(new Set([path]));
  assert.deepEqual([watch.files.texts, watch.changes], [{ [path]: 'first' }, 0]);
  await writeFile(dir.join('one', 'ca.pem'), 'second');
  await watch.look(() => watch.files.texts[path] === 'second', 'the new text');
  await symlink('two', dir.join('..new'));
  await rename(dir.join('..new'), dir.join('..data'));
  await watch.look(() => watch.files.texts[path] === 'linked', 'the text behind the link');
  assert.equal(watch.changes, 2);
  // The same text in another file is no change.
  await writeFile(dir.join('two', 'new'), 'linked');
  await rename(dir.join('two', 'new'), path);
  await watch.look(() => true, 'nothing');
  assert.equal(watch.changes, 2);
});

test('never (§5.7): what is unreadable, too large or not good is a problem, and the last good text stays', async () => {
  await using dir = await tempDir();
  await using watch = watching();
  const path = dir.join('ca.pem');
  await writeFile(path, 'good');
  await watch.files.watch(new Set([path]));
  const problem = (): string => watch.problems.list()[0]?.message ?? '';
  const steps: [() => Promise<unknown>, RegExp][] = [
    [() => writeFile(path, 'bad'), /: It is bad\. What was read before stays in effect\.$/],
    [() => writeFile(path, 'x'.repeat(1_001)), /more than 1000 bytes.*stays/],
    [() => rm(path), /ENOENT.*stays/],
    [() => mkdir(path), /it is no file.*stays/],
  ];
  for (const [step, expected] of steps) {
    await step();
    await watch.look(() => expected.test(problem()), String(expected));
    assert.deepEqual(watch.files.texts, { [path]: 'good' });
    assert.equal(watch.problems.list()[0]?.code, 'terminator.file-unreadable');
  }
  await rm(path, { recursive: true });
  await writeFile(path, 'better');
  await watch.look(() => watch.problems.list().length === 0, 'the end of the problem');
  assert.deepEqual([watch.files.texts, watch.changes], [{ [path]: 'better' }, 1]);
});

test('a file that was never readable is missing, and there as soon as it can be read; one that is not wanted is forgotten', async () => {
  await using dir = await tempDir();
  await using watch = watching();
  const path = dir.join('late.pem');
  await watch.files.watch(new Set([path]));
  assert.deepEqual(watch.files.texts, {});
  assert.match(watch.problems.list()[0]?.message ?? '', /ENOENT.*Nothing that needs it is let through/);
  await writeFile(path, 'there');
  await watch.look(() => watch.changes === 1, 'the text');
  assert.deepEqual(watch.files.texts, { [path]: 'there' });
  await rm(path);
  await watch.look(() => watch.problems.list().length === 1, 'the problem');
  await watch.files.watch(new Set());
  assert.deepEqual([watch.files.texts, watch.problems.list()], [{}, []]);
});
