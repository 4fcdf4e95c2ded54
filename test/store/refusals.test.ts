/** A store that cannot be used says why, by code, and leaves what is there alone. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { hasCode, type CertplaneError, type ErrorCode } from '../../src/core/errors.ts';
import { EncryptionKey } from '../../src/store/encryption.ts';
import { openWritable } from '../../src/store/open-database.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { order, rejectsWith } from '../contract/certificate-store.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { openStore } from './opening.ts';

interface Closed {
  readonly dataDir: string;
  readonly file: string;
  readonly key: EncryptionKey;
}

/** A database of some size that was closed properly. */
async function closedStore(directory: TempDir): Promise<Closed> {
  const dataDir = directory.join('data');
  const key = EncryptionKey.generate();
  await using store = await openStore(dataDir, key);
  await Promise.all(
    Array.from({ length: 400 }, async (_, i) =>
      store.put('order', { key: `file/${i}`, value: order(`file/${i}`), secret: { keyPem: 'k' }, expect: 'absent' }),
    ),
  );
  return { dataDir, file: join(dataDir, 'certplane.db'), key };
}

async function openingFails(dataDir: string, key: EncryptionKey, code: ErrorCode): Promise<CertplaneError> {
  try {
    await using _store = await openStore(dataDir, key);
  } catch (error) {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return error as CertplaneError;
  }
  throw new assert.AssertionError({ message: `the store opened, ${code} was expected` });
}

describe('a damaged database is refused with the way to restore, and not touched', () => {
  const damages: Record<string, (bytes: Buffer) => Buffer> = {
    'another file altogether': () => Buffer.from('this is no database\n'.repeat(500)),
    'a broken header': (bytes) => Buffer.concat([Buffer.from('XX'), bytes.subarray(2)]),
    'cut to a few bytes': (bytes) => bytes.subarray(0, 100),
    'cut in a page': (bytes) => bytes.subarray(0, 3 * 4096 + 17),
    'cut by half': (bytes) => bytes.subarray(0, Math.floor(bytes.length / 8192) * 4096),
    'pages of zeros': (bytes) => Buffer.from(bytes).fill(0, 2 * 4096, 30 * 4096),
    'bits flipped in the tables': (bytes) => {
      const flipped = Buffer.from(bytes);
      for (let page = 2; page * 4096 < flipped.length; page += 1)
        for (let i = 0; i < 12; i += 1) flipped[page * 4096 + i] = (flipped[page * 4096 + i] ?? 0) ^ 0xff;
      return flipped;
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    test(what, async () => {
      await using directory = await tempDir();
      const { dataDir, file, key } = await closedStore(directory);
      const damaged = damage(readFileSync(file));
      writeFileSync(file, damaged);
      const error = await openingFails(dataDir, key, 'store.corrupt');
      assert.match(error.message, /certplane restore/);
      assert.ok(readFileSync(file).equals(damaged), 'the file is as it was');
    });
  }

  test('with a write-ahead log beside it, neither is touched', async () => {
    await using directory = await tempDir();
    const { dataDir, file, key } = await closedStore(directory);
    // A log that a killed process left: copied while the database is open.
    const writer = await openStore(dataDir, key);
    await writer.put('setting', { key: 'late', value: { value: 'x' }, expect: 'any' });
    const log = readFileSync(`${file}-wal`);
    await writer[Symbol.asyncDispose]();
    assert.ok(log.length > 0);
    const damaged = Buffer.from(readFileSync(file)).fill(0, 2 * 4096, 30 * 4096);
    writeFileSync(file, damaged);
    writeFileSync(`${file}-wal`, log);
    await openingFails(dataDir, key, 'store.corrupt');
    assert.ok(readFileSync(file).equals(damaged));
    assert.ok(readFileSync(`${file}-wal`).equals(log));
  });
});

test('a database of another program is refused', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  mkdirSync(dataDir);
  {
    using database = new DatabaseSync(join(dataDir, 'certplane.db'));
    database.exec('CREATE TABLE theirs (a)');
  }
  const before = readFileSync(join(dataDir, 'certplane.db'));
  await openingFails(dataDir, EncryptionKey.generate(), 'store.corrupt');
  assert.ok(readFileSync(join(dataDir, 'certplane.db')).equals(before));
});

test('never (§5.4): a database of a newer version is refused and not touched', async () => {
  await using directory = await tempDir();
  const { dataDir, file, key } = await closedStore(directory);
  {
    using database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 999');
  }
  const before = readFileSync(file);
  const error = await openingFails(dataDir, key, 'store.too-new');
  assert.match(error.message, /999/);
  assert.ok(readFileSync(file).equals(before));
});

test('a wrong encryption key is reported at opening, before anything is written', async () => {
  await using directory = await tempDir();
  const { dataDir, file, key } = await closedStore(directory);
  const before = readFileSync(file);
  await openingFails(dataDir, EncryptionKey.generate(), 'store.key-wrong');
  assert.ok(readFileSync(file).equals(before));
  await using store = await openStore(dataDir, key);
  assert.deepEqual(await store.secret('order', 'file/7'), { keyPem: 'k' });
});

test('a row whose secret was taken from another row does not open', async () => {
  await using directory = await tempDir();
  const { dataDir, file, key } = await closedStore(directory);
  {
    using database = new DatabaseSync(file);
    database.exec(`UPDATE record SET secret = (SELECT secret FROM record WHERE key = 'file/2') WHERE key = 'file/1'`);
    database.exec(`UPDATE record SET secret = zeroblob(200) WHERE key = 'file/3'`);
    database.exec(`UPDATE record SET value = '{"cut' WHERE key = 'file/4'`);
  }
  await using store = await openStore(dataDir, key);
  await rejectsWith(store.secret('order', 'file/1'), 'store.corrupt');
  await rejectsWith(store.secret('order', 'file/3'), 'store.corrupt');
  await rejectsWith(store.get('order', 'file/4'), 'store.corrupt');
  assert.deepEqual(await store.secret('order', 'file/2'), { keyPem: 'k' });
});

test('a row that another key sealed says so', async () => {
  await using directory = await tempDir();
  const { dataDir, file, key } = await closedStore(directory);
  {
    using database = new DatabaseSync(file);
    const foreign = EncryptionKey.generate().seal('order/file/1', '{"keyPem":"x"}');
    database.prepare(`UPDATE record SET secret = ? WHERE key = 'file/1'`).run(foreign);
  }
  await using store = await openStore(dataDir, key);
  await rejectsWith(store.secret('order', 'file/1'), 'store.key-wrong');
});

test('a full disk is store.unavailable; nothing is lost, and it goes on when there is room', async () => {
  await using directory = await tempDir();
  const { file, key } = await closedStore(directory);
  const { database } = openWritable(file, key);
  await using store = new SqliteStore(database, key, 1000);
  const pages = Number(Object.values(database.prepare('PRAGMA page_count').get() ?? {})[0]);
  database.exec(`PRAGMA max_page_count = ${pages + 3}`);
  const big = { value: 'x'.repeat(200_000) };
  await rejectsWith(store.put('setting', { key: 'big', value: big, expect: 'absent' }), 'store.unavailable');
  // Asked for together with one that does not fit: neither happened, and both say so.
  const together = await Promise.allSettled([
    store.put('setting', { key: 'small', value: { value: 's' }, expect: 'absent' }),
    store.put('setting', { key: 'big', value: big, expect: 'absent' }),
  ]);
  for (const outcome of together)
    assert.ok(outcome.status === 'rejected' && hasCode(outcome.reason, 'store.unavailable'));
  assert.equal(await store.find('setting', 'small'), undefined);
  assert.deepEqual((await store.get('order', 'file/7')).value, order('file/7'));
  database.exec('PRAGMA max_page_count = 100000');
  await store.put('setting', { key: 'big', value: big, expect: 'absent' });
  assert.deepEqual((await store.get('setting', 'big')).value, big);
});

/** Root may write anywhere, so the attempt is made as somebody else. */
async function asOrdinaryUser<T>(task: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await task();
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await task();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

function giveTo(path: string, mode: number): void {
  if (process.geteuid?.() === 0) chownSync(path, 65_534, 65_534);
  chmodSync(path, mode);
}

test('a data directory that cannot be written is store.unavailable, with and without a database in it', async () => {
  await using directory = await tempDir();
  const { dataDir, file, key } = await closedStore(directory);
  const empty = directory.join('empty');
  mkdirSync(empty);
  giveTo(directory.path, 0o700);
  giveTo(empty, 0o500);
  giveTo(file, 0o400);
  for (const name of readdirSync(dataDir)) assert.equal(name, 'certplane.db');
  giveTo(dataDir, 0o500);
  const before = readFileSync(file);
  await asOrdinaryUser(async () => {
    await openingFails(empty, key, 'store.unavailable');
    await openingFails(dataDir, key, 'store.unavailable');
    await openingFails(join(empty, 'deeper'), key, 'store.unavailable');
  });
  assert.ok(readFileSync(file).equals(before));
  chmodSync(dataDir, 0o700); // so that it can be cleaned away
  chmodSync(empty, 0o700);
});

test('a file where the data directory should be is store.unavailable, and looking without a database is not found', async () => {
  await using directory = await tempDir();
  const key = EncryptionKey.generate();
  writeFileSync(directory.join('file'), '');
  const error = await openingFails(directory.join('file'), key, 'store.unavailable');
  assert.match(error.message, /file/);
  await rejectsWith(openStore(directory.join('none'), key, { readOnly: true }), 'store.not-found');
  assert.equal(statSync(directory.join('none'), { throwIfNoEntry: false }), undefined);
});
