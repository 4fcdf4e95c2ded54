import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamedParts } from '../../src/main/named-parts.ts';
import { spawnProcess } from '../support/process.ts';

const program = `${import.meta.dirname}/stopping-process.ts`;

for (const [named, shown] of [
  ['deliveries', /ends without waiting for: deliveries\./],
  // Nothing of ours is left, and it does not end: the kind of thing is all there is to say.
  ['', /ends without waiting for: .*Timeout/],
] as const) {
  test(`a stop that hangs in ${named || 'something unknown'} ends, says so and is no success`, async () => {
    await using running = spawnProcess(process.execPath, [program, named]);
    await running.waitForLine('ready');
    running.kill('SIGTERM');
    assert.deepEqual(await running.exited, { code: 1, signal: null });
    assert.match(running.output, shown);
  });
}

test('parts end in reverse order, and the one that is ending is named', async () => {
  const ended: string[] = [];
  const hanging = Promise.withResolvers<void>();
  const parts = new NamedParts();
  parts.use('first', { [Symbol.dispose]: () => void ended.push('first') });
  const second = { [Symbol.asyncDispose]: async () => await hanging.promise };
  parts.use('second', second, () => ['files:/mnt of file/shop']);
  parts.use('third', { [Symbol.asyncDispose]: async () => void ended.push('third') });
  assert.deepEqual(parts.waitingFor, []);
  const ending = parts[Symbol.asyncDispose]();
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(ended, ['third']);
  assert.deepEqual(parts.waitingFor, ['second', 'files:/mnt of file/shop']);
  hanging.resolve();
  await ending;
  assert.deepEqual(ended, ['third', 'first']);
  assert.deepEqual(parts.waitingFor, []);
});
