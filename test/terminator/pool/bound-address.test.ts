import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'node:test';
import { BoundAddress } from '../../../src/terminator/pool/bound-address.ts';
import { BoundSocket } from '../../../src/terminator/pool/bound-socket.ts';
import { freePort } from '../../support/ports.ts';

test('an address has a socket for each worker, all at the same port, and can be had again when it is closed', async (t) => {
  if (process.platform !== 'linux') return t.skip('spreads connections on Linux');
  const port = await freePort();
  for (const asked of [port, port, 0]) {
    const address = BoundAddress.bind('https', { host: '127.0.0.1', port: asked }, 3);
    assert.equal(address.sockets.length, 3);
    assert.deepEqual(new Set(address.sockets.map((socket) => socket.port)), new Set([address.port]));
    assert.equal(address.url, `https://127.0.0.1:${address.port}`);
    address.grow(2);
    assert.equal(address.sockets.length, 3, 'there are never fewer: somebody could wait in them');
    address.grow(5);
    assert.equal(address.sockets.length, 5);
    address.close();
  }
});

test('an address that another program has is in use, even when that program would share it', async () => {
  const server = createServer();
  server.listen({ host: '127.0.0.1', port: 0, ...(process.platform === 'linux' && { reusePort: true }) });
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  assert.throws(() => BoundAddress.bind('https', { host: '127.0.0.1', port }, 2), {
    code: 'terminator.address-in-use',
  });
  server.close();
  await once(server, 'close');
  BoundAddress.bind('https', { host: '127.0.0.1', port }, 2).close();
});

test('sockets that were passed are all there is, and stay open', () => {
  const socket = BoundSocket.bind('http', { host: '127.0.0.1', port: 0 });
  const adopted = BoundAddress.adopt([
    BoundSocket.adopt('http', { handle: socket.handle, address: { host: '127.0.0.1', port: socket.port } }),
  ]);
  adopted.grow(4);
  assert.equal(adopted.sockets.length, 1);
  adopted.close();
  assert.equal(socket.handle.getsockname({}), 0, 'still open');
  socket.close();
});
