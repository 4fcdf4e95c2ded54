import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { Listeners } from '../../../src/terminator/accept/listeners.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';

interface Watched extends Disposable {
  readonly listeners: Listeners;
  readonly accepted: Socket[];
  readonly reclaimed: number[];
}

function watch(): Watched {
  const accepted: Socket[] = [];
  const reclaimed: number[] = [];
  const listeners = new Listeners({
    onConnection: (socket) => void accepted.push(socket),
    reclaim: (id) => void reclaimed.push(id),
    onError: (error) => assert.fail(error),
  });
  return {
    listeners,
    accepted,
    reclaimed,
    [Symbol.dispose]() {
      listeners.close();
      for (const socket of accepted) socket.destroy();
    },
  };
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const open = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return open;
}

test('accepts from the moment listen resolves until unlisten', async () => {
  using watched = watch();
  const port = await freePort();
  await watched.listeners.listen(1, 'https', { host: '127.0.0.1', port });
  assert.ok(await isOpen(port));
  await until(() => watched.accepted.length === 1);
  watched.listeners.unlisten(1);
  assert.ok(!(await isOpen(port)));
});

test('unlisten does not lose a race against the listen before it', async () => {
  using watched = watch();
  const port = await freePort();
  const listening = watched.listeners.listen(1, 'https', { host: '127.0.0.1', port });
  watched.listeners.unlisten(1);
  await listening;
  assert.ok(!(await isOpen(port)));
});

test('an address that cannot be had is an error, and may be tried again', async () => {
  using watched = watch();
  const port = await freePort();
  await watched.listeners.listen(1, 'https', { host: '127.0.0.1', port });
  await assert.rejects(watched.listeners.listen(2, 'https', { host: '127.0.0.1', port }), { code: 'EADDRINUSE' });
  watched.listeners.unlisten(1);
  await watched.listeners.listen(2, 'https', { host: '127.0.0.1', port });
  assert.ok(await isOpen(port));
});

test('when full, nothing is accepted; with room again, sockets are asked for', async () => {
  using watched = watch();
  const { listeners, reclaimed } = watched;
  const port = await freePort();
  await listeners.listen(1, 'https', { host: '127.0.0.1', port });
  await listeners.listen(2, 'http', { host: '127.0.0.1', port: await freePort() });
  listeners.setFull(true);
  listeners.setFull(true);
  assert.ok(!(await isOpen(port)), 'of a socket that only this process holds nothing is left');
  let closed = 0;
  await listeners.listen(3, 'https', { close: () => (closed += 1) });
  assert.equal(closed, 1, 'what comes meanwhile is not kept open');
  listeners.unlisten(2);
  listeners.setFull(false);
  assert.deepEqual(reclaimed, [1, 3]);
  await listeners.listen(1, 'https', { host: '127.0.0.1', port });
  assert.ok(await isOpen(port));
});

test('after close nothing is accepted any more', async () => {
  using watched = watch();
  const port = await freePort();
  watched.listeners.close();
  await watched.listeners.listen(1, 'https', { host: '127.0.0.1', port });
  assert.ok(!(await isOpen(port)));
});
