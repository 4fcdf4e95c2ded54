import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Stream } from 'node:http2';
import test from 'node:test';
import { WebSocket } from 'ws';
import { defaultTimeouts } from '../../src/core/terminator.ts';
import { startBackend } from '../support/backend.ts';
import { until } from '../support/until.ts';
import { proxyRoute, respondRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { rawBackend, talk } from './support/raw.ts';

async function openSocket(terminator: TestTerminator, path = '/'): Promise<WebSocket> {
  const connection = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  const socket = new WebSocket(`ws://a.test${path}`, { createConnection: () => connection });
  await once(socket, 'open');
  return socket;
}

async function echo(socket: WebSocket, text: string): Promise<void> {
  socket.send(text);
  const [data] = (await once(socket, 'message')) as [Buffer];
  assert.equal(data.toString(), text);
}

test('never (§5.3): a WebSocket echoes on through rotations, settings and long silence', async () => {
  await using backend = await startBackend();
  const timeouts = { ...defaultTimeouts, idleMs: 200, headerMs: 200, drainMs: 500 };
  await using terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { timeouts },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const socket = await openSocket(terminator, '/chat');
  for (let version = 2; version < 8; version += 1) {
    await terminator.serve('file/a', version, 'a.test');
    await echo(socket, `after version ${version}`);
  }
  await terminator.feed.acknowledged(
    terminator.feed.publish({ kind: 'settings', settings: { ...terminator.settings, routes: [] } }),
  );
  // Longer than any timeout of an ordinary connection: another connection that is cut off for it tells when.
  const idle = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  await once(idle.resume(), 'close');
  await echo(socket, 'still here');
  await echo(socket, 'x'.repeat(1_000_000));
  socket.close();
  await once(socket, 'close');
  await until(() => backend.openConnections === 0, { what: 'the end of the backend connection' });
});

test('a backend that ends the WebSocket ends it for the client, and the reverse', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  await terminator.serve('file/a', 1, 'a.test');
  const socket = await openSocket(terminator);
  socket.on('error', () => undefined);
  backend.resetConnections();
  await once(socket, 'close');
  const other = await openSocket(terminator);
  other.terminate();
  await until(() => backend.openConnections === 0);
});

test('an upgrade that is refused, impossible or misdirected is answered as HTTP', async () => {
  await using refusing = await rawBackend((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: no\r\n\r\nno')),
  );
  await using terminator = await startTerminator({
    routes: [
      proxyRoute('a.test', refusing.url),
      proxyRoute('a.test', 'http://127.0.0.1:1', '/dead'),
      respondRoute('a.test', 'x', '/fixed'),
      respondRoute('c.test', 'c'),
    ],
  });
  await terminator.serve('file/a', 1, 'a.test');
  const ask = async (path: string, host = 'a.test'): Promise<string> =>
    await talk(
      await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] }),
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
  assert.match(
    await ask('/'),
    /^HTTP\/1\.1 403 [\s\S]*X-Why: no\r\nVia: 1\.1 certplane\r\nConnection: close\r\n\r\nno$/,
  );
  assert.match(await ask('/dead'), /^HTTP\/1\.1 502 [\s\S]*502 Bad Gateway: backend-refused\n$/);
  assert.match(
    await ask('/fixed'),
    /^HTTP\/1\.1 200 [\s\S]*Connection: close\r\n\r\nx$/,
    'an ordinary answer: no upgrade',
  );
  assert.match(await ask('/', 'c.test'), /^HTTP\/1\.1 421 /);
  assert.match(await ask('/', 'unknown.test'), /^HTTP\/1\.1 404 /);
});

test('an upgrade to anything but WebSocket is an ordinary request', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  await terminator.serve('file/a', 1, 'a.test');
  const answer = await talk(
    await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] }),
    'GET /h2c HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 200 OK/);
  assert.doesNotMatch(answer, /"(?:upgrade|connection|http2-settings)"/i);
});

/** An extended CONNECT (RFC 8441) on a connection of its own. */
async function openOverHttp2(terminator: TestTerminator, path: string): Promise<ClientHttp2Stream> {
  const connection = await terminator.handshake('a.test', { ALPNProtocols: ['h2'] });
  const session = connectHttp2('https://a.test', { createConnection: () => connection });
  await once(session, 'remoteSettings');
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'https',
      ':path': path,
      ':authority': 'a.test',
      'sec-websocket-version': '13',
    },
    { endStream: false },
  );
  stream.once('close', () => session.destroy());
  return stream;
}

test('a WebSocket over HTTP/2 reaches an HTTP/1.1 backend, and both ends of it end it', async () => {
  const heads: string[] = [];
  await using backend = await rawBackend((socket) =>
    socket.once('data', (chunk: Buffer) => {
      const head = chunk.toString();
      heads.push(head);
      const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: chat\r\n`;
      // The first bytes of the tunnel come with the head.
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\nfirst `);
      socket.on('data', (data: Buffer) => socket.write(data));
      socket.once('end', () => socket.end());
    }),
  );
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  await terminator.serve('file/a', 1, 'a.test');
  const stream = await openOverHttp2(terminator, '/chat?x=1');
  const [headers] = (await once(stream, 'response')) as [Record<string, string | number>];
  assert.deepEqual([headers[':status'], headers['sec-websocket-protocol']], [200, 'chat']);
  assert.deepEqual(
    [headers['sec-websocket-accept'], headers['upgrade'], headers['connection']],
    [undefined, undefined, undefined],
  );
  assert.match(heads[0] ?? '', /^GET \/chat\?x=1 HTTP\/1\.1\r\n/);
  let received = '';
  stream.on('data', (chunk: Buffer) => (received += chunk.toString()));
  stream.write('and more');
  await until(() => received === 'first and more');
  stream.end();
  await once(stream, 'close');
  await until(() => backend.sockets[0]?.destroyed);
});

test('what a client sends right behind its handshake reaches the backend', async () => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)] });
  await terminator.serve('file/a', 1, 'a.test');
  const handshake =
    'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
  const masked = '\x81\x85\0\0\0\0hello'; // a text frame with a mask of zeros
  const client = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  const answer = await talk(client, handshake + masked, (text) => text.endsWith('\x81\x05hello'));
  assert.match(answer, /^HTTP\/1\.1 101 /);
});

test('a silent tunnel is cut after its time, and every tunnel at the end of a drain', async () => {
  await using backend = await startBackend();
  const timeouts = { ...defaultTimeouts, tunnelIdleMs: 300, drainMs: 300 };
  await using terminator = await startTerminator({
    routes: [proxyRoute('a.test', backend.url)],
    settings: { timeouts },
  });
  await terminator.serve('file/a', 1, 'a.test');
  const silent = await openSocket(terminator);
  silent.on('error', () => undefined);
  await once(silent, 'close');
  await until(() => backend.openConnections === 0);
  const busy = await openSocket(terminator);
  busy.on('error', () => undefined);
  let closed = false;
  busy.once('close', () => (closed = true));
  const stopped = terminator.supervisor[Symbol.asyncDispose]();
  await until(
    () => {
      if (!closed) busy.send('still here');
      return closed;
    },
    { what: 'the end of the tunnel', everyMs: 50 },
  );
  await stopped;
});
