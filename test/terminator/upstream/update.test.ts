import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../../support/backend.ts';
import { until } from '../../support/until.ts';
import { backendOf, begin, send, startBackends } from './support/backends.ts';

async function rested(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('settings that arrive again as they were, or change what new requests meet, keep all connections', async () => {
  await using backend = await startBackend();
  const before = backendOf([backend.port]);
  await using backends = startBackends({ app: before });
  await send(backends, 'app');
  await rested();
  const copy = JSON.parse(JSON.stringify(before)) as typeof before;
  backends.update({ backends: { app: copy }, files: { '/unused.pem': 'x' } });
  await send(backends, 'app');
  await rested();
  backends.update({ backends: { app: { ...copy, retries: 3, balance: { kind: 'least-connections' } } }, files: {} });
  assert.equal((await send(backends, 'app')).status, 200);
  assert.equal(backend.connections, 1);
});

test('an endpoint that joins or leaves does not touch the others', async () => {
  await using one = await startBackend();
  await using two = await startBackend();
  await using backends = startBackends({ app: backendOf([one.port]) });
  await send(backends, 'app');
  await rested();
  backends.update({ backends: { app: backendOf([one.port, two.port]) }, files: {} });
  for (let i = 0; i < 4; i += 1) {
    await send(backends, 'app');
    await rested();
  }
  assert.deepEqual([one.connections, two.connections], [1, 1]);
  const busy = [begin(backends, 'app', { target: '/slow?ms=100' }), begin(backends, 'app', { target: '/slow?ms=100' })];
  await until(() => two.requests === 3);
  backends.update({ backends: { app: backendOf([one.port]) }, files: {} });
  for (const answer of busy) {
    await answer.done;
    assert.equal(answer.status, 200, 'what is under way is finished');
  }
  await until(() => two.openConnections === 0, { what: 'the end of the connections of one that left' });
  assert.equal(one.connections <= 2, true);
});

test('a backend that is gone takes no requests and empties itself; what is under way is finished', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([backend.port]) });
  await send(backends, 'app');
  const busy = begin(backends, 'app', { target: '/slow?ms=100' });
  await until(() => backend.requests === 2);
  backends.update({ backends: {}, files: {} });
  await assert.rejects(send(backends, 'app'), /no backend app/);
  assert.deepEqual(backends.states(), []);
  await busy.done;
  assert.equal(busy.status, 200);
  await until(() => backend.openConnections === 0);
});

test('never (§5.10): anything is open after destroy; what was under way has failed', async () => {
  await using backend = await startBackend();
  const backends = startBackends({ app: backendOf([backend.port], { maxConnections: 2 }) });
  const answers = Array.from({ length: 3 }, () => begin(backends, 'app', { target: '/hang' }));
  await until(() => backend.requests === 2);
  await backends.destroy();
  await backends.destroy();
  for (const answer of answers) {
    await answer.done;
    assert.notEqual(answer.failure, undefined);
  }
  await until(() => backend.openConnections === 0);
});
