import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { FSWatcher } from 'node:fs';
import { rename, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { watchFile, type WatchFileOptions } from '../../src/main/watch-file.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';

type Watch = NonNullable<WatchFileOptions['watchDirectory']>;

/** A watcher that says what the test says. */
class ScriptedWatcher extends EventEmitter {
  changed: (name: string | null) => void = () => undefined;
  closed = false;
  readonly open: Watch = (_directory, changed) => {
    this.changed = changed;
    return this as unknown as FSWatcher;
  };
  close(): void {
    this.closed = true;
  }
}

function watching(file: string, { clock = new ManualClock(), open }: { clock?: ManualClock; open: Watch }) {
  const stop = new AbortController();
  const troubles: string[] = [];
  let calls = 0;
  const ended = watchFile(file, () => Promise.resolve(void (calls += 1)), {
    clock,
    log: silentLog,
    signal: stop.signal,
    onTrouble: (message) => void troubles.push(message),
    watchDirectory: open,
  });
  return {
    clock,
    troubles,
    calls: () => calls,
    stop: async () => {
      stop.abort();
      await ended;
    },
  };
}

test('never (§5.11): a clock that is set back while it waits for quiet does not hold a change for as long', async () => {
  const watcher = new ScriptedWatcher();
  const watch = watching('/etc/certplane/certplane.yaml', { open: watcher.open });
  await until(() => watch.clock.pending.length === 1, { what: 'the first look' });
  watcher.changed('certplane.yaml');
  await watch.clock.advance(100);
  await watch.clock.jumpTo(watch.clock.now() - 3 * 86_400_000);
  await watch.clock.advance(1_000);
  await until(() => watch.calls() === 1, { what: 'the call' });
  await watch.stop();
});

test('several changes in a row are one, after half a second of quiet; other files of the directory are none', async () => {
  const watcher = new ScriptedWatcher();
  const watch = watching('/etc/certplane/certplane.yaml', { open: watcher.open });
  await until(() => watch.clock.pending.length === 1, { what: 'the first look' });
  watcher.changed('other.yaml');
  await watch.clock.advance(2_000);
  assert.equal(watch.calls(), 0);

  watcher.changed('certplane.yaml');
  await watch.clock.advance(400);
  watcher.changed('..data');
  await watch.clock.advance(400);
  assert.equal(watch.calls(), 0, 'it is not quiet yet');
  await watch.clock.advance(100);
  await until(() => watch.calls() === 1, { what: 'the first call' });
  watcher.changed(null);
  await watch.clock.advance(500);
  await until(() => watch.calls() === 2, { what: 'a second one, although the system left the name out' });
  await watch.stop();
  assert.ok(watcher.closed);
  assert.deepEqual(watch.clock.pending, []);
});

for (const when of ['at once', 'later'] as const) {
  test(`where the system cannot watch (${when}), the file is looked at every few seconds and the trouble is told`, async () => {
    await using dir = await tempDir();
    const file = dir.join('certplane.yaml');
    await writeFile(file, 'one');
    const watcher = new ScriptedWatcher();
    const exhausted = new Error('ENOSPC: System limit for number of file watchers reached');
    const refuse: Watch = () => {
      throw exhausted;
    };
    const watch = watching(file, { open: when === 'at once' ? refuse : watcher.open });
    if (when === 'later') watcher.emit('error', exhausted);
    assert.match(watch.troubles.join(), /cannot be watched \(ENOSPC.*looked at every 3 s/);
    await until(() => watch.clock.pending.length === 1, { what: 'the first look' });

    await writeFile(`${file}.new`, 'two and more');
    await rename(`${file}.new`, file);
    await until(
      async () => {
        await watch.clock.advance(500);
        return watch.calls() === 1;
      },
      { what: 'the change to be seen' },
    );
    await watch.clock.advance(10_000);
    assert.equal(watch.calls(), 1, 'what did not change is no change');
    await watch.stop();
    assert.deepEqual(watch.clock.pending, []);
  });
}

test('a change behind a link is seen, which the system does not tell of', async () => {
  await using dir = await tempDir();
  const target = dir.join('target.yaml');
  const file = dir.join('certplane.yaml');
  await writeFile(target, 'one');
  await symlink(target, file);
  const watcher = new ScriptedWatcher();
  const watch = watching(file, { open: watcher.open });
  await until(() => watch.clock.pending.length === 1, { what: 'the first look' });
  await writeFile(target, 'two and more');
  await until(
    async () => {
      await watch.clock.advance(500);
      return watch.calls() === 1;
    },
    { what: 'the change to be seen' },
  );
  await writeFile(target, 'three, and more');
  watcher.changed('certplane.yaml');
  await until(
    async () => {
      await watch.clock.advance(500);
      return watch.calls() === 2;
    },
    { what: 'the next one' },
  );
  await watch.clock.advance(10_000);
  assert.equal(watch.calls(), 2, 'told and looked at is once');
  await watch.stop();
});

test('a file replaced by rename is seen by the real watcher', async () => {
  await using dir = await tempDir();
  const file = dir.join('certplane.yaml');
  await writeFile(file, 'one');
  const stop = new AbortController();
  const changed = Promise.withResolvers<void>();
  const ended = watchFile(file, () => Promise.resolve(changed.resolve()), {
    clock: systemClock,
    log: silentLog,
    signal: stop.signal,
    onTrouble: (message) => changed.reject(new Error(message)),
  });
  await writeFile(`${file}.new`, 'two');
  await rename(`${file}.new`, file);
  await changed.promise;
  stop.abort();
  await ended;
});
