import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws';
import { proxyRoute, startTerminator, type TestTerminator } from '../support/harness.ts';

suite('ws', () => {
  const stack = new AsyncDisposableStack();
  let terminator: TestTerminator;
  const server = createServer();
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: { threshold: 0 },
    maxPayload: 16_000_000,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  });

  before(async () => {
    sockets.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    stack.defer(() => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    terminator = stack.use(await startTerminator({ routes: [proxyRoute('a.test', url)] }));
    await terminator.serve('file/a', 1, 'a.test');
  });
  after(async () => await stack.disposeAsync());

  async function open(options: ClientOptions = {}, protocols: string[] = []): Promise<WebSocket> {
    const connection = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
    const socket = new WebSocket('ws://a.test/chat?x=1', protocols, {
      createConnection: () => connection,
      maxPayload: 16_000_000,
      ...options,
    });
    await once(socket, 'open');
    return socket;
  }

  test('extensions and subprotocols are agreed on by the ends alone', async () => {
    const compressed = await open({ perMessageDeflate: { threshold: 0 } }, ['chat.v1', 'chat.v2']);
    assert.match(compressed.extensions, /permessage-deflate/);
    assert.equal(compressed.protocol, 'chat.v2');
    await echo(compressed, 'again and '.repeat(50_000));
    const plain = await open({ perMessageDeflate: false });
    assert.deepEqual([plain.extensions, plain.protocol], ['', '']);
    await echo(plain, 'hello');
    for (const socket of [compressed, plain]) socket.close();
    await Promise.all([once(compressed, 'close'), once(plain, 'close')]);
  });

  test('messages of any size, text and binary, many at once and in fragments', async () => {
    const socket = await open();
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 4_000_000]) await echo(socket, randomBytes(size));
    await echo(socket, 'ü€😀'.repeat(1_000));
    const sent = Array.from({ length: 500 }, (_, i) => `${i}:${'m'.repeat(i)}`);
    const received: string[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        received.push(data.toString());
        if (received.length === sent.length + 1) resolve();
      });
    });
    for (const message of sent) socket.send(message);
    for (const [i, piece] of ['in ', 'three ', 'pieces'].entries()) socket.send(piece, { fin: i === 2 });
    await all;
    assert.deepEqual(received, [...sent, 'in three pieces']);
    socket.terminate();
    await once(socket, 'close');
  });

  test('pings, pongs and the reasons of a close pass through, from either end', async () => {
    const socket = await open();
    socket.ping('are you there');
    const [answer] = (await once(socket, 'pong')) as [Buffer];
    assert.equal(answer.toString(), 'are you there');
    const [other] = [...sockets.clients];
    assert.ok(other);
    const heard = once(other, 'pong');
    other.ping('and you');
    assert.equal(String(((await heard) as [Buffer])[0]), 'and you');
    const told = once(other, 'close');
    socket.close(4001, 'enough');
    assert.deepEqual(((await told) as [number, Buffer]).map(String), ['4001', 'enough']);

    const next = await open();
    const closed = once(next, 'close');
    for (const one of sockets.clients) one.close(1012, 'restarting');
    assert.deepEqual(((await closed) as [number, Buffer]).map(String), ['1012', 'restarting']);
  });
});

async function echo(socket: WebSocket, data: Buffer | string): Promise<void> {
  socket.send(data);
  const [answer, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
  assert.equal(isBinary, typeof data !== 'string');
  assert.ok(answer.equals(Buffer.from(data)), 'the message comes back as it was');
}
