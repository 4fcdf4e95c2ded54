import assert from 'node:assert/strict';
import test from 'node:test';
import { get, held } from './held.ts';
import { connectTo, feed, front } from './served.ts';

test('an upgrade becomes a tunnel with the bytes behind it, whether they came before or after', async () => {
  const upgrade = 'GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n';
  const { exchanges, socket, http1, pass } = held();
  await feed(socket, [`${upgrade}early `]);
  const { inbound, outbound, outcomes } = exchanges[0] as (typeof exchanges)[0];
  assert.equal(inbound.upgrade, 'websocket');
  await feed(socket, ['and more ']);
  const tunnel = outbound.tunnel(['Sec-WebSocket-Accept', 'x']);
  assert.equal(
    socket.sent,
    'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  );
  let received = '';
  tunnel.on('data', (chunk: Buffer) => (received += chunk.toString()));
  tunnel.resume();
  await feed(socket, ['late']);
  assert.equal(received, 'early and more late');
  pass(1_000_000);
  http1.closeQuiet();
  http1.closeQuiet();
  assert.equal(socket.writableEnded, false, 'no deadline of HTTP ends a tunnel');
  tunnel.write('answer');
  tunnel.destroy();
  await feed(socket, []);
  assert.deepEqual(outcomes, [{ status: 101, bytes: 6, complete: true }]);
});

test('an upgrade accepted at once, while bytes behind it are being read, loses none of them', async () => {
  let received = '';
  const served = front({
    handler: (_inbound, outbound) => {
      const tunnel = outbound.tunnel([]);
      tunnel.on('data', (chunk: Buffer) => (received += chunk.toString()));
      tunnel.resume();
    },
  });
  const socket = connectTo(served);
  await feed(socket, [
    'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nfirst',
    'second',
  ]);
  assert.equal(received, 'firstsecond');
});

function upgradeTo(name: string, more = ''): string {
  return `GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: ${name}\r\n${more}\r\n`;
}

test('an upgrade that is refused ends the connection; to anything but a WebSocket it is an ordinary request', async () => {
  const refused = front();
  const socket = connectTo(refused);
  await feed(socket, [`${upgradeTo('websocket')}${get}`]);
  assert.match(socket.sent, /^HTTP\/1\.1 200 [^]*Connection: close\r\n/);
  assert.deepEqual([refused.seen.length, refused.seen[0]?.upgrade], [1, 'websocket']);
  const ordinary = [
    upgradeTo('h2c'),
    upgradeTo('websocket', 'Upgrade: h2c\r\n'),
    upgradeTo('websocket').replace('GET', 'POST'),
    upgradeTo('websocket').replace('Connection: upgrade\r\n', ''),
    upgradeTo('websocket').replace('HTTP/1.1', 'HTTP/1.0').replace('upgrade', 'upgrade, keep-alive'),
  ];
  const served = front();
  const other = connectTo(served);
  await feed(other, ordinary);
  assert.deepEqual(
    served.seen.map(({ upgrade }) => upgrade),
    ordinary.map(() => undefined),
  );
});
