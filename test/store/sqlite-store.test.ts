import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EncryptionKey } from '../../src/store/encryption.ts';
import { entry, order, rejectsWith } from '../contract/certificate-store.ts';
import { spawnProcess } from '../support/process.ts';
import { tempDir } from '../support/tempdir.ts';
import { openStore, temporaryStore } from './opening.ts';

test('everything is there again after closing and opening', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const key = EncryptionKey.generate();
  let revision: string;
  {
    await using store = await openStore(dataDir, key);
    revision = await store.put('order', { key: 'a', value: order('a'), secret: { keyPem: 'k' }, expect: 'absent' });
    await store.append(entry(1, 'a'));
  }
  await using store = await openStore(dataDir, key);
  assert.deepEqual(await store.get('order', 'a'), { key: 'a', revision, value: order('a') });
  assert.deepEqual(await store.secret('order', 'a'), { keyPem: 'k' });
  const [first] = await store.history({ limit: 1 });
  const second = await store.append(entry(2));
  assert.ok(second.id > (first?.id ?? Infinity));
});

test('never (§5.4): what put resolved is there after SIGKILL, and the database opens', async () => {
  await using directory = await tempDir();
  const key = EncryptionKey.generate();
  const keyFile = directory.join('key');
  writeFileSync(keyFile, key.toFileContent(), { mode: 0o600 });
  let expected = 0;
  for (const least of [5, 60]) {
    const dataDir = directory.join(`data-${least}`);
    await using child = spawnProcess(process.execPath, [
      join(import.meta.dirname, 'putting-process.ts'),
      dataDir,
      keyFile,
    ]);
    await child.waitForLine(new RegExp(`durable ${least}\n`));
    child.kill('SIGKILL');
    assert.equal((await child.exited).signal, 'SIGKILL');
    const said = [...child.stdout.matchAll(/durable (\d+)\n/g)].map((match) => Number(match[1]));
    assert.ok(said.length > least);
    await using store = await openStore(dataDir, key);
    for (const i of said) {
      assert.deepEqual((await store.get('order', `file/${i}`)).value, order(`file/${i}`));
      assert.deepEqual(await store.secret('order', `file/${i}`), { keyPem: `key of ${i}` });
    }
    expected += said.length;
  }
  assert.ok(expected > 65);
});

test('never (§5.9): no private key is readable in the files, and none is more open than 0600', async () => {
  const marker = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg';
  await using opened = await temporaryStore();
  const { store, dataDir } = opened;
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${marker}\n-----END PRIVATE KEY-----\n`;
  await store.put('order', { key: 'a', value: order('a'), secret: { keyPem }, expect: 'absent' });
  await store.put('authority', {
    key: 'ca',
    value: { issuerName: 'VISIBLE-ISSUER', rootPem: 'r', issuingPem: 'i', createdAt: 1 },
    secret: { rootKeyPem: keyPem, issuingKeyPem: keyPem },
    expect: 'absent',
  });
  const names = readdirSync(dataDir);
  assert.ok(names.includes('certplane.db-wal'), 'the log is there while it is open');
  const everything = Buffer.concat(names.map((name) => readFileSync(join(dataDir, name)))).toString('latin1');
  assert.ok(everything.includes('VISIBLE-ISSUER'), 'the search would find what is not encrypted');
  for (const secret of [marker, 'PRIVATE KEY', Buffer.from(marker).toString('base64').slice(4, 40)])
    assert.equal(everything.includes(secret), false);
  for (const name of names) assert.equal(statSync(join(dataDir, name)).mode & 0o077, 0, name);
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
});

test('never (§5.9): a data directory and a database that were left open are closed again', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const key = EncryptionKey.generate();
  await (await openStore(dataDir, key))[Symbol.asyncDispose]();
  chmodSync(dataDir, 0o755);
  chmodSync(join(dataDir, 'certplane.db'), 0o644);
  await using _store = await openStore(dataDir, key);
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dataDir, 'certplane.db')).mode & 0o777, 0o600);
});

function pad(i: number): string {
  return `file/${String(i).padStart(6, '0')}`;
}

test('30,000 records are put together, listed in pages and found by key', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const count = 30_000;
  await Promise.all(
    Array.from({ length: count }, async (_, i) =>
      store.put('setting', { key: pad(i), value: { value: 'x'.repeat(1000) }, expect: 'absent' }),
    ),
  );
  let seen = 0;
  for (let after: string | undefined; ;) {
    const page = await store.list('setting', { limit: 10_000, ...(after === undefined ? {} : { after }) });
    for (const item of page.items) assert.equal(item.key, pad(seen++));
    after = page.next;
    if (after === undefined) break;
  }
  assert.equal(seen, count);
  assert.equal((await store.get('setting', pad(29_999))).value.value.length, 1000);
});

test('writes asked for together wait for one transaction, and one conflict among them fails alone', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const put = async (key: string): Promise<string> =>
    store.put('setting', { key, value: { value: key }, expect: 'absent' });
  const outcomes = await Promise.allSettled([put('a'), put('b'), put('a'), put('c')]);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal((await store.list('setting')).items.length, 3);
});

test('a signal that fires between asking and writing keeps the record from being written', async () => {
  await using opened = await temporaryStore();
  const { store } = opened;
  const stop = new AbortController();
  const put = store.put('setting', { key: 'a', value: { value: 'x' }, expect: 'absent' }, stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(put, /stopped/);
  assert.equal(await store.find('setting', 'a'), undefined);
});

test('history keeps the newest entries up to its limit', async () => {
  await using opened = await temporaryStore({ historyLimit: 200 });
  const { store } = opened;
  for (let i = 0; i < 650; i += 1) {
    await store.append(entry(i, i % 2 === 0 ? 'even' : 'odd'));
    if (i % 50 === 49) {
      const { length } = await store.history({ limit: 1000 });
      assert.ok(length <= 200 && length >= Math.min(i, 198), `${length} entries after ${i + 1}`);
    }
  }
  const kept = await store.history({ limit: 1000 });
  assert.equal(kept[0]?.at, 649);
  assert.deepEqual(
    kept.map((found) => found.at),
    kept.map((_, i) => 649 - i),
  );
  assert.ok((await store.history({ limit: 1000, certificateId: 'odd' })).every((found) => found.at % 2 === 1));
});

test('closing writes what was asked for first, may be done twice, and then every operation says so', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const key = EncryptionKey.generate();
  const store = await openStore(dataDir, key);
  const put = store.put('setting', { key: 'a', value: { value: 'x' }, expect: 'absent' });
  await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
  await put;
  await rejectsWith(store.find('setting', 'a'), 'store.unavailable');
  await rejectsWith(store.put('setting', { key: 'b', value: { value: 'x' }, expect: 'any' }), 'store.unavailable');
  await using again = await openStore(dataDir, key);
  assert.equal((await again.get('setting', 'a')).value.value, 'x');
});

test('a read-only store sees what the writer writes and writes nothing itself', async () => {
  await using opened = await temporaryStore();
  const { store, dataDir, key } = opened;
  await using reader = await openStore(dataDir, key, { readOnly: true });
  await store.put('setting', { key: 'a', value: { value: 'x' }, expect: 'absent' });
  assert.equal((await reader.get('setting', 'a')).value.value, 'x');
  await rejectsWith(reader.put('setting', { key: 'b', value: { value: 'x' }, expect: 'any' }), 'store.unavailable');
  await rejectsWith(reader.append(entry(1)), 'store.unavailable');
  assert.equal(await store.find('setting', 'b'), undefined);
});
