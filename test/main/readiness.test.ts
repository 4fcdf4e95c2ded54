import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CertplaneError } from '../../src/core/errors.ts';
import type { Part } from '../../src/core/ports/lifecycle.ts';
import { isShrunk, readMarker, writeMarker } from '../../src/main/applied-marker.ts';
import { MetricsPlace } from '../../src/main/metrics-place.ts';
import { watchWrites } from '../../src/main/store-health.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { tempDir } from '../support/tempdir.ts';

const at = (port: number): { host: string; port: number } => ({ host: '127.0.0.1', port });

const certificates = (count: number) => ({ certificates: Array.from({ length: count }, () => ({}) as never) });

test('a store whose last write failed is not writable until a write succeeds; a conflict is no failure', async () => {
  const memory = new MemoryStore();
  const { store, writable } = watchWrites(memory);
  const put = async (expect: 'any' | 'absent' = 'any'): Promise<unknown> =>
    await store.put('setting', { key: 'a', value: { value: '1' }, expect });
  await put();
  assert.equal(writable(), true);
  await assert.rejects(put('absent'), { code: 'store.conflict' });
  assert.equal(writable(), true);
  memory.beforeWrite = () => {
    throw new CertplaneError('store.unavailable', 'The disk is full.');
  };
  await assert.rejects(put(), { code: 'store.unavailable' });
  assert.equal(writable(), false);
  assert.equal((await store.get('setting', 'a')).value.value, '1', 'reading goes on and says nothing about writing');
  assert.equal(writable(), false);
  memory.beforeWrite = undefined;
  await put();
  assert.equal(writable(), true);
});

test('metrics move: the new address opens before the old one closes, and one that cannot open leaves the old one', async () => {
  const events: string[] = [];
  const serverAt = ({ port }: { port: number }): Part => ({
    start: async () => {
      if (port === 3) throw new Error('in use');
      await Promise.resolve(events.push(`open ${port}`));
    },
    [Symbol.asyncDispose]: async () => void (await Promise.resolve(events.push(`close ${port}`))),
  });
  {
    await using place = new MetricsPlace(serverAt);
    await place.serve(at(1));
    await place.serve(at(1));
    await place.serve(at(2));
    await assert.rejects(place.serve(at(3)), /in use/);
    await place.serve(undefined);
    await place.serve(at(4));
  }
  assert.deepEqual(events, ['open 1', 'open 2', 'close 1', 'close 2', 'open 4', 'close 4']);
});

test('the marker of the configuration in force is read back; what is no marker counts as none', async () => {
  await using dir = await tempDir();
  assert.equal(await readMarker(dir.path), undefined);
  await writeMarker(dir.path, { certificates: 4, terminator: true });
  const marker = await readMarker(dir.path);
  assert.deepEqual(marker, { certificates: 4, terminator: true });
  assert.equal(isShrunk(certificates(1), { certificates: 4, terminator: true }), true);
  assert.equal(isShrunk(certificates(2), { certificates: 4, terminator: true }), false);
  assert.equal(isShrunk(certificates(0), { certificates: 0, terminator: true }), false);
  await mkdir(dir.join('run'), { recursive: true });
  for (const text of ['', '{', 'null', '[]', '{"certificates":"4","terminator":true}', 'x'.repeat(10_000)]) {
    await writeFile(dir.join('run', 'applied.json'), text);
    assert.equal(await readMarker(dir.path), undefined, text.slice(0, 40));
  }
});
