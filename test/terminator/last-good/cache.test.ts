import assert from 'node:assert/strict';
import { appendFile, open, readdir, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import test from 'node:test';
import fc from 'fast-check';
import { createLastGoodCache } from '../../../src/terminator/last-good/cache.ts';
import type { CachedItem, LastGoodCache } from '../../../src/terminator/last-good/port.ts';
import { tempDir, type TempDir } from '../../support/tempdir.ts';

const bundle = { chainPem: 'CHAIN OF a.test', keyPem: 'KEY OF a.test' };
const nothing = { items: [], revisions: new Map(), unreadable: 0 };

function certificate(id: string, version: number): CachedItem {
  const facts = { names: ['a.test'], notBefore: 1, notAfter: 2, serial: '01', fingerprint256: 'ff' };
  const item = { kind: 'certificate', certificateId: id, versionId: `${id}#${version}`, ...facts } as const;
  const place = { slot: `feed ${id}`, source: 'feed', rank: 0, chainComplete: true };
  return { source: 'feed', item, entry: { ...facts, ...place, certificateId: id, versionId: item.versionId } };
}

function cacheIn(directory: TempDir): LastGoodCache {
  return createLastGoodCache({ directory: directory.join('copy'), keyFile: directory.join('keys/copy.key') });
}

async function filled(directory: TempDir, ...ids: string[]): Promise<void> {
  await using cache = cacheIn(directory);
  await cache.load();
  for (const id of ids) await cache.put(certificate(id, 1), bundle);
  await cache.putRevision('feed', { epoch: 'e', sequence: ids.length });
}

async function files(directory: TempDir): Promise<string[]> {
  return (await readdir(directory.join('copy'))).map((name) => directory.join('copy', name));
}

function indexOf(directory: TempDir): string {
  return directory.join('copy/index');
}

/** Changes one byte of a file. */
async function damage(file: string, at: number): Promise<void> {
  await using handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 0xff;
  await handle.write(byte, 0, 1, at);
}

test('what was put in comes back after a restart: items, bundles and revisions, the latest of each', async () => {
  await using directory = await tempDir();
  const challenge = {
    kind: 'challenge',
    type: 'http-01',
    token: 't',
    identifier: 'a.test',
    keyAuthorization: 'k',
  } as const;
  {
    await using cache = cacheIn(directory);
    assert.deepEqual(await cache.load(), nothing);
    await cache.put(certificate('file/a', 1), { ...bundle, keyPem: 'OLD' });
    await cache.put(certificate('file/a', 2), bundle);
    await cache.put(certificate('file/b', 1), bundle);
    await cache.remove('feed', 'certificate/file/b');
    await cache.remove('feed', 'certificate/never-there');
    await cache.put({ source: 'feed', item: challenge });
    await cache.putRevision('feed', { epoch: 'e', sequence: 7 });
  }
  await using again = cacheIn(directory);
  const { items, revisions, unreadable } = await again.load();
  assert.equal(unreadable, 0);
  assert.deepEqual(revisions.get('feed'), { epoch: 'e', sequence: 7 });
  assert.deepEqual(
    items.toSorted((a, b) => a.item.kind.localeCompare(b.item.kind)),
    [certificate('file/a', 2), { source: 'feed', item: challenge }],
  );
  assert.deepEqual(await again.bundle('feed', 'certificate/file/a'), bundle);
  await assert.rejects(again.bundle('feed', 'certificate/file/b'), { code: 'terminator.cache-unreadable' });
});

test('never (§5.9): no key stands readable in any file, and no file is open to others', async () => {
  await using directory = await tempDir();
  await filled(directory, 'file/a');
  const all = [...(await files(directory)), directory.join('keys/copy.key')];
  assert.equal(all.length, 3);
  for (const file of all) {
    assert.equal((await stat(file)).mode & 0o777, 0o600, file);
    assert.doesNotMatch(await readFile(file, 'latin1'), /a\.test|KEY OF/, file);
  }
  for (const one of ['copy', 'keys']) assert.equal((await stat(directory.join(one))).mode & 0o777, 0o700);
});

test('what a crash leaves half written at the end costs what had not been written, and nothing else', async () => {
  await using directory = await tempDir();
  await filled(directory, 'file/a', 'file/b');
  await appendFile(indexOf(directory), Buffer.from([0, 0, 1, 0, 1, 2, 3]));
  {
    await using cache = cacheIn(directory);
    const { items, revisions, unreadable } = await cache.load();
    assert.deepEqual([items.length, revisions.size, unreadable], [2, 1, 0]);
    await cache.put(certificate('file/c', 1), bundle);
  }
  await using after = cacheIn(directory);
  assert.equal((await after.load()).items.length, 3, 'the next record stands where the half one was');
});

test('a damaged record costs that entry and the place to go on from, and is reported once', async () => {
  await using directory = await tempDir();
  await filled(directory, 'file/a', 'file/b', 'file/c');
  await damage(indexOf(directory), 140); // in the record behind the one that begins the file
  {
    await using cache = cacheIn(directory);
    const { items, revisions, unreadable } = await cache.load();
    assert.deepEqual([items.length, revisions.size, unreadable], [2, 0, 1]);
    for (const { item } of items) {
      assert.ok(item.kind === 'certificate');
      assert.deepEqual(await cache.bundle('feed', `certificate/${item.certificateId}`), bundle);
    }
  }
  await using after = cacheIn(directory);
  const { items, unreadable } = await after.load();
  assert.deepEqual([items.length, unreadable], [2, 0]);
});

test('key material that is damaged, cut off or gone is an error by code, and its certificates are not listed', async () => {
  await using directory = await tempDir();
  await filled(directory, 'file/a', 'file/b');
  const material = (await files(directory)).find((file) => file.includes('material')) as string;
  await damage(material, 60);
  {
    await using cache = cacheIn(directory);
    await cache.load();
    await assert.rejects(cache.bundle('feed', 'certificate/file/a'), { code: 'terminator.cache-unreadable' });
    assert.deepEqual(await cache.bundle('feed', 'certificate/file/b'), bundle);
  }
  await truncate(material, 100);
  await using cut = cacheIn(directory);
  const { items, unreadable } = await cut.load();
  assert.deepEqual([items.length, unreadable], [1, 1]);
});

test('a lost key makes the whole copy unreadable, not the terminator', async () => {
  await using directory = await tempDir();
  await filled(directory, 'file/a');
  await rename(directory.join('keys'), directory.join('lost'));
  await using cache = cacheIn(directory);
  const { items, unreadable } = await cache.load();
  assert.equal(items.length, 0);
  assert.ok(unreadable > 0);
  await cache.put(certificate('file/a', 2), bundle);
  assert.deepEqual(await cache.bundle('feed', 'certificate/file/a'), bundle);
});

test('a place that cannot be used is an error by code, on reading and on writing', async () => {
  await using directory = await tempDir();
  await writeFile(directory.join('copy'), 'a file in the way');
  await using cache = cacheIn(directory);
  await assert.rejects(cache.load(), { code: 'terminator.cache-unreadable' });
  await assert.rejects(cache.put(certificate('file/a', 1), bundle), { code: 'terminator.cache-unwritable' });
});

test('what could not be written is written with the next change, and before any later revision', async () => {
  await using directory = await tempDir();
  await writeFile(directory.join('copy'), 'a file in the way');
  {
    await using cache = cacheIn(directory);
    await assert.rejects(cache.put(certificate('file/a', 1), bundle), { code: 'terminator.cache-unwritable' });
    await rename(directory.join('copy'), directory.join('away'));
    await cache.putRevision('feed', { epoch: 'e', sequence: 2 });
  }
  await using again = cacheIn(directory);
  const { items, revisions } = await again.load();
  assert.deepEqual([items.length, revisions.get('feed')?.sequence], [1, 2]);
});

test('the files are written anew when most of them is out of date, and key material can be read meanwhile', async () => {
  await using directory = await tempDir();
  const large = { ...bundle, chainPem: 'C'.repeat(400_000) };
  {
    await using cache = cacheIn(directory);
    await cache.load();
    await cache.put(certificate('file/kept', 1), bundle);
    for (let version = 0; version < 60; version += 1) {
      await cache.put(certificate('file/a', version), large);
      assert.deepEqual(await cache.bundle('feed', 'certificate/file/kept'), bundle);
    }
  }
  const sizes = await Promise.all((await files(directory)).map(async (file) => (await stat(file)).size));
  assert.equal(sizes.length, 2);
  assert.ok(Math.max(...sizes) < 10_000_000, `${sizes.join(', ')} bytes for one large and one small certificate`);
  await using again = cacheIn(directory);
  assert.equal((await again.load()).items.length, 2);
  assert.deepEqual(await again.bundle('feed', 'certificate/file/a'), large);
});

test('after any changes, restarts and cuts at the end, the copy is what it was after one of the changes', async () => {
  const id = fc.constantFrom('a', 'b', 'c');
  const change = fc.oneof(
    fc.record({ put: id }),
    fc.record({ remove: id }),
    fc.record({ revision: fc.nat(1000) }),
    fc.record({ restart: fc.constant(true) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 12 }), fc.nat(200), async (changes, cut) => {
      await using directory = await tempDir();
      const states = [''];
      const model = new Map<string, string>();
      let cache = cacheIn(directory);
      await cache.load();
      for (const [i, one] of changes.entries()) {
        if ('put' in one) {
          await cache.put(certificate(one.put, i), bundle);
          model.set(one.put, `${one.put}#${i}`);
        } else if ('remove' in one) {
          await cache.remove('feed', `certificate/${one.remove}`);
          model.delete(one.remove);
        } else if ('revision' in one) {
          await cache.putRevision('feed', { epoch: 'e', sequence: one.revision });
          model.set('revision', String(one.revision));
        } else {
          await cache[Symbol.asyncDispose]();
          cache = cacheIn(directory);
          await cache.load();
        }
        states.push([...model.values()].toSorted().join(' '));
      }
      await cache[Symbol.asyncDispose]();
      const { size } = await stat(indexOf(directory));
      await truncate(indexOf(directory), Math.max(0, size - cut));
      await using again = cacheIn(directory);
      const { items, revisions } = await again.load();
      const found = items.map(({ item }) => (item.kind === 'certificate' ? item.versionId : ''));
      for (const { sequence } of revisions.values()) found.push(String(sequence));
      assert.ok(states.includes(found.toSorted().join(' ')), `${found.join(' ')} is none of ${states.join(' | ')}`);
    }),
    { numRuns: 40 },
  );
});
