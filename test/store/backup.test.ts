import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../src/core/errors.ts';
import { backupStore, restoreBackup } from '../../src/store/backup.ts';
import { EncryptionKey, loadEncryptionKey } from '../../src/store/encryption.ts';
import { acquireWriterLock } from '../../src/store/lock.ts';
import { order, rejectsWith } from '../contract/certificate-store.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { openStore, temporaryStore } from './opening.ts';

const never = new AbortController().signal;

/** A backup of one order with a secret, the feed's epoch and a history entry. */
async function someBackup(directory: TempDir): Promise<{ file: string; key: EncryptionKey }> {
  await using opened = await temporaryStore();
  const { store, key } = opened;
  await store.put('order', { key: 'a', value: order('a'), secret: { keyPem: 'the key' }, expect: 'absent' });
  await store.put('setting', { key: 'feed-epoch', value: { value: 'old-epoch' }, expect: 'absent' });
  await store.put('setting', { key: 'kept', value: { value: 'kept' }, expect: 'absent' });
  await store.append({ at: 1, kind: 'admin', code: 'test', message: 'm', actor: 'cli' });
  const file = directory.join('certplane.backup');
  await backupStore(store, key, file, never);
  return { file, key };
}

test('a backup brings back records, secrets and history on another machine, and starts the feed over', async () => {
  await using directory = await tempDir();
  const { file, key } = await someBackup(directory);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(directory.path), ['certplane.backup'], 'nothing else is left beside it');
  const dataDir = directory.join('elsewhere');
  const restored = await restoreBackup({ file, dataDir });
  assert.equal(restored.movedTo, undefined);
  assert.equal(restored.keyPath, join(dataDir, 'encryption.key'));
  const loaded = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: false });
  assert.ok(loaded.key.equals(key));
  for (const name of readdirSync(dataDir)) assert.equal(statSync(join(dataDir, name)).mode & 0o077, 0, name);
  await using store = await openStore(dataDir, loaded.key);
  assert.deepEqual((await store.get('order', 'a')).value, order('a'));
  assert.deepEqual(await store.secret('order', 'a'), { keyPem: 'the key' });
  assert.equal((await store.history({ limit: 10 })).length, 1);
  assert.equal((await store.get('setting', 'kept')).value.value, 'kept');
  assert.equal(await store.find('setting', 'feed-epoch'), undefined);
});

test('a backup is taken while writes go on, and is whole', async () => {
  await using directory = await tempDir();
  await using opened = await temporaryStore();
  const { store, key } = opened;
  const put = async (i: number): Promise<string> =>
    store.put('setting', { key: `k${i}`, value: { value: 'x'.repeat(5000) }, expect: 'absent' });
  await Promise.all(Array.from({ length: 2000 }, async (_, i) => put(i)));
  const file = directory.join('b');
  let written = 2000;
  const copied = new AbortController();
  const backup = backupStore(store, key, file, never).finally(() => copied.abort());
  while (!copied.signal.aborted) await put(written++);
  await backup;
  assert.ok(written > 2005, `only ${written - 2000} writes went on during the copy`);
  const dataDir = directory.join('data');
  await restoreBackup({ file, dataDir });
  await using copy = await openStore(dataDir, key);
  const { items } = await copy.list('setting', { limit: 10_000 });
  assert.ok(items.length >= 2000 && items.length <= written);
});

test('a backup never takes the place of what the control plane itself uses', async () => {
  await using opened = await temporaryStore();
  const { store, key, dataDir } = opened;
  for (const name of ['certplane.db', 'certplane.db-wal', 'encryption.key', 'writer.lock.db'])
    await rejectsWith(backupStore(store, key, join(dataDir, name), never), 'store.exists');
  await rejectsWith(backupStore(store, key, dataDir, never), 'store.unavailable');
  await backupStore(store, key, join(dataDir, 'my.backup'), never);
});

test('a second backup takes the place of the first; an aborted or failed one leaves it', async () => {
  await using directory = await tempDir();
  const { file } = await someBackup(directory);
  const first = readFileSync(file);
  await using opened = await temporaryStore();
  await opened.store.put('setting', { key: 'big', value: { value: 'x'.repeat(5_000_000) }, expect: 'any' });
  const stop = new AbortController();
  const aborted = backupStore(opened.store, opened.key, file, stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(aborted, /stopped/);
  await assert.rejects(backupStore(opened.store, opened.key, directory.join('no/dir/b'), never), {
    code: 'store.unavailable',
    message: `There is no directory ${directory.join('no/dir')}. Make it, or choose another place.`,
  });
  const withoutRight = { code: 'store.unavailable', message: /^\/proc\/b cannot be used \([^-]*'\/proc\/b'\)\.$/ };
  if (process.platform === 'linux')
    await assert.rejects(backupStore(opened.store, opened.key, '/proc/b', never), withoutRight);
  assert.ok(readFileSync(file).equals(first));
  assert.deepEqual(readdirSync(directory.path), ['certplane.backup']);
  await backupStore(opened.store, opened.key, file, never);
  assert.equal(readFileSync(file).equals(first), false);
});

test('never (§5.4): a restore does not replace a database unless forced, and then keeps the old one', async () => {
  await using directory = await tempDir();
  const { file, key } = await someBackup(directory);
  const dataDir = directory.join('data');
  const old = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: true });
  {
    await using store = await openStore(dataDir, old.key);
    await store.put('setting', { key: 'mine', value: { value: 'old' }, expect: 'absent' });
  }
  await rejectsWith(restoreBackup({ file, dataDir }), 'store.exists');
  {
    await using store = await openStore(dataDir, old.key);
    assert.equal((await store.get('setting', 'mine')).value.value, 'old');
  }
  const { movedTo } = await restoreBackup({ file, dataDir, force: true });
  assert.ok(movedTo !== undefined && movedTo.startsWith(join(dataDir, 'before-restore-')));
  await using restored = await openStore(dataDir, key);
  assert.equal(await restored.find('setting', 'mine'), undefined);
  assert.deepEqual(await restored.secret('order', 'a'), { keyPem: 'the key' });
  const oldKey = EncryptionKey.parse(readFileSync(join(movedTo, 'encryption.key')));
  assert.ok(oldKey !== undefined);
  await using aside = await openStore(movedTo, oldKey);
  assert.equal((await aside.get('setting', 'mine')).value.value, 'old');
});

test('a damaged database with a log beside it is restored over with --force, and the log is not replayed', async () => {
  await using directory = await tempDir();
  const { file, key } = await someBackup(directory);
  const dataDir = directory.join('data');
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'certplane.db'), randomBytes(50_000));
  writeFileSync(join(dataDir, 'certplane.db-wal'), randomBytes(50_000));
  const { movedTo } = await restoreBackup({ file, dataDir, force: true });
  assert.deepEqual(readdirSync(movedTo ?? '').toSorted(), ['certplane.db', 'certplane.db-wal']);
  assert.equal(existsSync(join(dataDir, 'certplane.db-wal')), false);
  await using store = await openStore(dataDir, key);
  assert.deepEqual((await store.get('order', 'a')).value, order('a'));
});

test('a restore is refused while a control plane holds the data directory', async () => {
  await using directory = await tempDir();
  const { file } = await someBackup(directory);
  const dataDir = directory.join('data');
  using _lock = acquireWriterLock(dataDir);
  await rejectsWith(restoreBackup({ file, dataDir, force: true }), 'store.locked');
  assert.equal(existsSync(join(dataDir, 'certplane.db')), false);
});

test('with the same key configured none is written; with another one nothing is restored', async () => {
  await using directory = await tempDir();
  const { file, key } = await someBackup(directory);
  const keyFile = directory.join('my.key');
  const dataDir = directory.join('data');
  const env = { CERTPLANE_ENCRYPTION_KEY_FILE: keyFile };
  writeFileSync(keyFile, EncryptionKey.generate().toFileContent(), { mode: 0o600 });
  await rejectsWith(restoreBackup({ file, dataDir, env }), 'store.key-wrong');
  assert.equal(existsSync(join(dataDir, 'certplane.db')), false);
  writeFileSync(keyFile, key.toFileContent());
  assert.equal((await restoreBackup({ file, dataDir, env })).keyPath, keyFile);
  assert.equal(existsSync(join(dataDir, 'encryption.key')), false);
});

test('what is no backup, incomplete or changed is refused, and the data directory stays empty', async () => {
  await using directory = await tempDir();
  const { file } = await someBackup(directory);
  const whole = readFileSync(file);
  const dataDir = directory.join('data');
  const candidate = directory.join('candidate');
  const refuses = async (content: Buffer): Promise<void> => {
    writeFileSync(candidate, content);
    await rejectsWith(restoreBackup({ file: candidate, dataDir }), 'store.backup-invalid');
    assert.deepEqual(
      readdirSync(dataDir).filter((name) => name !== 'writer.lock.db'),
      [],
    );
  };
  for (const text of [
    '',
    'certplane-backup/1\n',
    'certplane-backup/1\n{}\n',
    'certplane-backup/1\nnull\n',
    'SQLite format 3\0',
  ])
    await refuses(Buffer.from(text));
  await refuses(Buffer.concat([whole, Buffer.from('\n')]));
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), async (length) => await refuses(whole.subarray(0, length))),
    { numRuns: 25 },
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ mask;
      await refuses(changed);
    }),
    { numRuns: 40 },
  );
  await rejectsWith(restoreBackup({ file: directory.join('none'), dataDir }), 'store.backup-invalid');
  await rejectsWith(restoreBackup({ file: directory.path, dataDir }), 'store.backup-invalid');
});

test('a backup of a newer version is refused by that name', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  await using opened = await temporaryStore();
  const file = directory.join('b');
  {
    using database = new DatabaseSync(opened.store.path);
    database.exec('PRAGMA user_version = 999');
  }
  await backupStore(opened.store, opened.key, file, never);
  await assert.rejects(restoreBackup({ file, dataDir }), (error) => hasCode(error, 'store.too-new'));
});
