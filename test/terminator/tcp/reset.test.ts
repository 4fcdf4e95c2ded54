import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { resetNow } from '../../../src/terminator/tcp/reset.ts';

interface Pair extends AsyncDisposable {
  readonly near: Socket;
  readonly far: Socket;
}

async function pair(): Promise<Pair> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[far]] = await Promise.all([accepted, once(near, 'connect')]);
  near.on('error', () => undefined);
  far.on('error', () => undefined);
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      far.destroy();
      near.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('the other side sees a reset, not an end', async () => {
  await using sockets = await pair();
  const failed = once(sockets.far.resume(), 'error') as Promise<[NodeJS.ErrnoException]>;
  resetNow(sockets.near);
  assert.equal((await failed)[0].code, 'ECONNRESET');
});

test('a socket whose end is on its way is closed as well', async () => {
  await using sockets = await pair();
  const closed = once(sockets.near, 'close');
  sockets.near.write('bytes');
  sockets.near.end();
  resetNow(sockets.near);
  await closed;
});

test('nothing waits for a side that does not read', async () => {
  await using sockets = await pair();
  const closed = once(sockets.near, 'close');
  while (sockets.near.write(Buffer.alloc(1_048_576))); // more than the system takes
  resetNow(sockets.near);
  await closed;
});

test('after an end that cannot be sent, either', async () => {
  await using sockets = await pair();
  const closed = once(sockets.near, 'close');
  while (sockets.near.write(Buffer.alloc(1_048_576)));
  sockets.near.end();
  resetNow(sockets.near);
  resetNow(sockets.near);
  await closed;
});
