import assert from 'node:assert/strict';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createLastGoodCache, type CachedItem } from '../../src/terminator/cache.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';

const bundle = { chainPem: 'CHAIN OF a.test', keyPem: 'KEY OF a.test' };

function certificate(id: string, version: number): CachedItem {
  const facts = { names: ['a.test'], notBefore: 1, notAfter: 2, serial: '01', fingerprint256: 'ff' };
  const item = { kind: 'certificate', certificateId: id, versionId: `${id}#${version}`, ...facts } as const;
  const place = { slot: `feed ${id}`, source: 'feed', rank: 0, chainComplete: true };
  return { source: 'feed', item, entry: { ...facts, ...place, certificateId: id, versionId: item.versionId } };
}

function cacheIn(directory: TempDir) {
  return createLastGoodCache({ directory: directory.join('copy'), keyFile: directory.join('keys/copy.key') });
}

async function files(directory: TempDir): Promise<string[]> {
  return (await readdir(directory.join('copy'))).map((name) => directory.join('copy', name));
}

test('what was put in comes back after a restart: items, bundles and revisions, the latest of each', async () => {
  await using directory = await tempDir();
  const cache = cacheIn(directory);
  assert.deepEqual(await cache.load(), { items: [], revisions: new Map(), unreadable: 0 });
  await cache.put(certificate('file/a', 1), { ...bundle, keyPem: 'OLD' });
  await cache.put(certificate('file/a', 2), bundle);
  await cache.put(certificate('file/b', 1), bundle);
  await cache.remove('feed', 'certificate/file/b');
  await cache.remove('feed', 'certificate/never-there');
  const challenge = {
    kind: 'challenge',
    type: 'http-01',
    token: 't',
    identifier: 'a.test',
    keyAuthorization: 'k',
  } as const;
  await cache.put({ source: 'feed', item: challenge });
  await cache.putRevision('feed', { epoch: 'e', sequence: 7 });
  const again = cacheIn(directory);
  const { items, revisions, unreadable } = await again.load();
  assert.equal(unreadable, 0);
  assert.deepEqual(revisions.get('feed'), { epoch: 'e', sequence: 7 });
  assert.deepEqual(
    items.map(({ item }) => item).toSorted((a, b) => a.kind.localeCompare(b.kind)),
    [certificate('file/a', 2).item, challenge],
  );
  assert.deepEqual(await again.bundle('feed', 'certificate/file/a'), bundle);
  await assert.rejects(again.bundle('feed', 'certificate/file/b'), { code: 'terminator.cache-unreadable' });
});

test('never (§5.9): no key stands readable in any file, and no file is open to others', async () => {
  await using directory = await tempDir();
  const cache = cacheIn(directory);
  await cache.load();
  await cache.put(certificate('file/a', 1), bundle);
  const all = [...(await files(directory)), directory.join('keys/copy.key')];
  for (const file of all) {
    assert.equal((await stat(file)).mode & 0o777, 0o600, file);
    assert.doesNotMatch(await readFile(file, 'latin1'), /a\.test|KEY OF/, file);
  }
  for (const one of ['copy', 'keys']) assert.equal((await stat(directory.join(one))).mode & 0o777, 0o700);
});

test('a damaged, exchanged or half-written file costs that entry and the place to go on from, and is counted', async () => {
  await using directory = await tempDir();
  const cache = cacheIn(directory);
  await cache.load();
  for (const id of ['file/a', 'file/b', 'file/c', 'file/d']) await cache.put(certificate(id, 1), bundle);
  const [one, two, three] = await files(directory);
  await cache.putRevision('feed', { epoch: 'e', sequence: 1 });
  const text = await readFile(one as string);
  await writeFile(one as string, Buffer.concat([text.subarray(0, 40), Buffer.from([1]), text.subarray(41)]));
  await rename(two as string, three as string);
  await writeFile(join(directory.path, 'copy', 'left.new'), 'half');
  const { items, revisions, unreadable } = await cacheIn(directory).load();
  assert.equal(unreadable, 2, 'one with a wrong byte, one under the name of another');
  assert.equal(items.length, 1);
  assert.equal(revisions.size, 0);
  const after = await cacheIn(directory).load();
  assert.deepEqual([after.items.length, after.unreadable], [1, 0], 'reported once');
});

test('a lost key makes the whole copy unreadable, not the terminator', async () => {
  await using directory = await tempDir();
  const cache = cacheIn(directory);
  await cache.load();
  await cache.put(certificate('file/a', 1), bundle);
  await rename(directory.join('keys'), directory.join('lost'));
  const { items, unreadable } = await cacheIn(directory).load();
  assert.deepEqual([items.length, unreadable], [0, 1]);
});

test('a place that cannot be used is an error by code, on reading and on writing', async () => {
  await using directory = await tempDir();
  await writeFile(directory.join('copy'), 'a file in the way');
  await assert.rejects(cacheIn(directory).load(), { code: 'terminator.cache-unreadable' });
  await assert.rejects(cacheIn(directory).put(certificate('file/a', 1), bundle), {
    code: 'terminator.cache-unwritable',
  });
});
