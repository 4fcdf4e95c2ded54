import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, type CertplaneError } from '../../src/core/errors.ts';
import { acquireWriterLock } from '../../src/store/lock.ts';
import { spawnProcess } from '../support/process.ts';
import { tempDir } from '../support/tempdir.ts';

function refusal(dataDir: string): CertplaneError {
  try {
    acquireWriterLock(dataDir)[Symbol.dispose]();
  } catch (error) {
    return error as CertplaneError;
  }
  throw new assert.AssertionError({ message: 'the lock was given out a second time' });
}

test('a second control plane is refused by the directory and process it collides with; a killed one leaves nothing behind', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  await using child = spawnProcess(process.execPath, [join(import.meta.dirname, 'locking-process.ts'), dataDir]);
  await child.waitForLine('locked');
  const error = refusal(dataDir);
  assert.ok(hasCode(error, 'store.locked'), String(error));
  assert.ok(error.message.includes(dataDir) && error.message.includes(`process ${child.pid}`), error.message);
  assert.ok(hasCode(refusal(dataDir), 'store.locked'), 'being refused does not loosen the lock');
  child.kill('SIGKILL');
  await child.exited;
  using lock = acquireWriterLock(dataDir);
  assert.equal(lock.dataDir, dataDir);
});

test('in one process the lock is given out once, and again after it was given back', async () => {
  await using directory = await tempDir();
  const first = acquireWriterLock(directory.path);
  assert.ok(hasCode(refusal(directory.path), 'store.locked'));
  assert.ok(hasCode(refusal(directory.path), 'store.locked'));
  // Another process sees it as well: the refused attempts have not dropped the kernel's lock.
  await using other = spawnProcess(process.execPath, [join(import.meta.dirname, 'locking-process.ts'), directory.path]);
  await other.exited;
  assert.match(other.stderr, /store\.locked/);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(readdirSync(directory.path).includes('writer.pid'), false);
  using _second = acquireWriterLock(directory.path);
});

test('never (§5.9): the lock files are 0600', async () => {
  await using directory = await tempDir();
  acquireWriterLock(directory.path)[Symbol.dispose]();
  chmodSync(directory.join('writer.lock.db'), 0o666);
  using _lock = acquireWriterLock(directory.path);
  for (const name of readdirSync(directory.path))
    assert.equal(statSync(directory.join(name)).mode & 0o777, 0o600, name);
});

test('a lock that cannot be made is store.unavailable', async () => {
  await using directory = await tempDir();
  mkdirSync(directory.join('writer.lock.db'));
  assert.ok(hasCode(refusal(directory.path), 'store.unavailable'));
});
