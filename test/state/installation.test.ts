import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installationId } from '../../src/state/installation.ts';
import { MemoryStore } from '../support/memory-store.ts';

const { signal } = new AbortController();

test('an installation gets its id once, and another one a different one', async () => {
  const store = new MemoryStore();
  const [first, second] = await Promise.all([installationId(store, signal), installationId(store, signal)]);
  assert.equal(first, second);
  assert.equal(await installationId(store, signal), first);
  assert.match(first, /^[\da-f-]{36}$/);
  assert.notEqual(await installationId(new MemoryStore(), signal), first);
});
