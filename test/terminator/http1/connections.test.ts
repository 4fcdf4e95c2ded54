import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import {
  answer,
  type BodySink,
  type Inbound,
  type Outbound,
  type Outcome,
} from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { connectTo, feed, front, listen, settingsOf } from './served.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = (length: number): string => `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n`;
const chunkedPost = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
const timeouts = { headerMs: 2_000, bodyMs: 4_000, idleMs: 8_000 };

/** Holds exchanges for the test to answer. */
function held(options: Parameters<typeof front>[0] = {}) {
  const exchanges: { inbound: Inbound; outbound: Outbound; outcomes: Outcome[] }[] = [];
  const served = front({
    timeouts,
    ...options,
    handler: (inbound, outbound) => {
      const outcomes: Outcome[] = [];
      outbound.onClose((outcome) => outcomes.push(outcome));
      exchanges.push({ inbound, outbound, outcomes });
    },
  });
  return { ...served, exchanges, socket: connectTo(served) };
}

function sinkOf(): BodySink & { text: string; ended: boolean } {
  const sink = {
    text: '',
    ended: false,
    onData: (chunk: Buffer) => void (sink.text += chunk.toString()),
    onEnd: () => void (sink.ended = true),
  };
  return sink;
}

test('a client that says nothing is let go without an answer; one that has begun a head is told', async () => {
  const silent = front({ timeouts });
  const socket = connectTo(silent);
  silent.pass(1_750);
  assert.equal(socket.writableEnded, false);
  silent.pass(500);
  assert.ok(socket.writableEnded);
  assert.equal(socket.sent, '');
  const slow = front({ timeouts });
  const slowSocket = connectTo(slow);
  for (const piece of ['GET / HT', 'TP/1.1\r\nX: ', 'y']) {
    await feed(slowSocket, [piece]);
    slow.pass(750);
  }
  assert.match(
    slowSocket.sent,
    /^HTTP\/1\.1 408 [^]*408 Request Timeout: the request head took too long\n$/,
    'bytes do not buy time',
  );
  assert.deepEqual(slow.refused, [408]);
});

test('between two requests the idle time counts, from the first byte of the next one the head time', async () => {
  const served = front({ timeouts });
  const socket = connectTo(served);
  await feed(socket, [get]);
  served.pass(7_000);
  await feed(socket, [get]);
  served.pass(7_000);
  await feed(socket, ['G']);
  served.pass(1_750);
  await feed(socket, [get.slice(1)]);
  assert.equal(served.seen.length, 3);
  served.pass(8_250);
  assert.ok(socket.writableEnded);
});

test('a body that stops coming is answered 408, or cut where an answer has begun; a gap counts, not the whole', async () => {
  const { exchanges, socket, pass } = held();
  await feed(socket, [post(10)]);
  pass(60_000);
  assert.equal(socket.writableEnded, false, 'nobody has asked for the body yet');
  exchanges[0]?.inbound.body?.read(sinkOf());
  for (let i = 0; i < 3; i += 1) {
    pass(3_500);
    await feed(socket, ['x']);
  }
  assert.equal(socket.sent, '');
  pass(4_250);
  await feed(socket, []);
  assert.match(socket.sent, /^HTTP\/1\.1 408 [^]*the request body took too long\n$/);
  assert.deepEqual(exchanges[0]?.outcomes, [{ status: 408, bytes: 0, complete: true }]);

  const other = held();
  await feed(other.socket, [post(10)]);
  const { inbound, outbound } = other.exchanges[0] as (typeof other.exchanges)[0];
  inbound.body?.read(sinkOf());
  outbound.head(200, '', [], false);
  outbound.flush();
  other.pass(4_250);
  await feed(other.socket, []);
  assert.ok(other.socket.destroyed);
  assert.deepEqual(other.exchanges[0]?.outcomes, [{ status: 200, bytes: 0, complete: false }]);
});

test('while the backend holds a body up, or has not answered, time is not against the client', async () => {
  const { exchanges, socket, pass } = held();
  await feed(socket, [post(3)]);
  const { inbound, outbound } = exchanges[0] as (typeof exchanges)[0];
  inbound.body?.read(sinkOf());
  inbound.body?.pause();
  pass(60_000);
  inbound.body?.resume();
  pass(3_000);
  await feed(socket, ['abc']);
  pass(60_000);
  assert.equal(socket.writableEnded, false);
  answer(outbound, 200, 'late\n');
  assert.match(socket.sent, /late\n$/);
});

test('a client that reads nothing of its answer is cut off, one that reads slowly is not', async () => {
  const { exchanges, socket, pass } = held();
  socket.setReading(false);
  await feed(socket, [get]);
  const outbound = exchanges[0]?.outbound as Outbound;
  outbound.head(200, '', [], false);
  const piece = Buffer.alloc(40_000, 'x');
  while (outbound.write(piece));
  for (let i = 0; i < 3; i += 1) {
    pass(7_000);
    socket.setReading(true);
    await feed(socket, []);
    socket.setReading(false);
    while (outbound.write(piece));
  }
  assert.equal(socket.destroyed, false);
  pass(8_500);
  await feed(socket, []);
  assert.ok(socket.destroyed);
  assert.equal(exchanges[0]?.outcomes[0]?.complete, false);
});

test('limits and timeouts change for connections that are open', async () => {
  const served = front({ timeouts });
  const [idle, other] = [connectTo(served), connectTo(served)];
  await feed(idle, [get]);
  await feed(other, [get]);
  served.http1.configure(settingsOf({ timeouts: { ...timeouts, idleMs: 1_000 }, limits: { headerBytes: 100 } }));
  served.pass(500);
  await feed(other, [`GET /${'x'.repeat(100)} HTTP/1.1\r\nHost: a.test\r\n\r\n`]);
  assert.match(other.sent, /HTTP\/1\.1 414 /);
  served.pass(750);
  assert.ok(idle.writableEnded);
});

test('what a client sends ahead waits unread, and beyond 16 KiB the client waits, too', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [get]);
  for (let i = 0; i < 100; i += 1) {
    await feed(socket, [get.repeat(20)]);
    if (socket.isPaused()) break;
  }
  assert.ok(socket.isPaused());
  assert.equal(exchanges.length, 1);
  let answered = 0;
  for (; answered < exchanges.length; answered += 1) {
    answer((exchanges[answered] as (typeof exchanges)[0]).outbound, 200, 'ok\n');
    await feed(socket, []);
  }
  assert.ok(answered > 300, `${answered} answers`);
  assert.equal(socket.sent.split('HTTP/1.1 200').length - 1, answered);
  assert.equal(socket.isPaused(), false);
});

test('bytes that come one by one behind an open request are kept without growing beyond their bound', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [get]);
  const text = `${post(20_000)}${'b'.repeat(20_000)}`;
  let sent = 0;
  while (!socket.isPaused() && sent < text.length) {
    socket.push(Buffer.from(text[sent] as string));
    sent += 1;
  }
  assert.equal(sent, 16_384);
  for (; sent < text.length; sent += 1) socket.push(Buffer.from(text[sent] as string));
  answer((exchanges[0] as (typeof exchanges)[0]).outbound, 200, 'ok\n');
  await feed(socket, []);
  const sink = sinkOf();
  exchanges[1]?.inbound.body?.read(sink);
  await feed(socket, []);
  assert.deepEqual([sink.text.length, sink.ended], [20_000, true]);
});

test('a body waits until somebody wants it, stops when told to, and goes on', async () => {
  for (const text of [`${post(10)}0123456789${get}`, `${chunkedPost}4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n${get}`]) {
    const { exchanges, socket } = held();
    await feed(socket, [text]);
    assert.equal(exchanges.length, 1);
    const { inbound, outbound } = exchanges[0] as (typeof exchanges)[0];
    const sink = sinkOf();
    let pauseAfter = 1;
    inbound.body?.read({
      ...sink,
      onData: (chunk) => {
        sink.onData(chunk);
        if ((pauseAfter -= 1) === 0) inbound.body?.pause();
      },
    });
    if (inbound.body?.framing === 'chunked') assert.deepEqual([sink.text, sink.ended], ['0123', false]);
    inbound.body?.resume();
    await feed(socket, []);
    assert.deepEqual([sink.text, sink.ended], ['0123456789', true]);
    answer(outbound, 200, 'ok\n');
    assert.equal(exchanges.length, 2);
  }
});

/** What becomes of a body that is discarded, with the answer before or after the rest of it. */
async function discard(texts: readonly string[], late = false) {
  const { exchanges, socket } = held();
  await feed(socket, [texts[0] as string]);
  const { inbound, outbound } = exchanges[0] as (typeof exchanges)[0];
  inbound.body?.discard();
  if (!late) answer(outbound, 404, 'no\n');
  await feed(socket, texts.slice(1));
  if (late) answer(outbound, 404, 'no\n');
  return { socket, served: exchanges.length };
}

test('a body that nobody wants is thrown away within bounds; beyond them the connection ends with the answer', async () => {
  const piece = 'x'.repeat(10_000);
  const small = await discard([post(60_000), ...Array.from({ length: 6 }, () => piece), get]);
  assert.equal(small.served, 2);
  assert.doesNotMatch(small.socket.sent, /Connection: close/);
  const large = await discard([post(70_000), piece, get]);
  assert.equal(large.served, 1);
  assert.match(large.socket.sent, /Connection: close/);
  const chunk = `${(10_000).toString(16)}\r\n${piece}\r\n`;
  const chunks = await discard([chunkedPost, ...Array.from({ length: 6 }, () => chunk), `0\r\n\r\n${get}`]);
  assert.equal(chunks.served, 2);
  const endless = await discard([chunkedPost, ...Array.from({ length: 8 }, () => chunk), get]);
  assert.equal(endless.served, 1);
  assert.ok(endless.socket.writableEnded);
  const noticed = await discard([chunkedPost, ...Array.from({ length: 8 }, () => chunk), get], true);
  assert.match(noticed.socket.sent, /Connection: close/);
  const expecting = await discard([`${post(5).slice(0, -2)}Expect: 100-continue\r\n\r\n`, `hello${get}`]);
  assert.equal(expecting.served, 1);
  assert.match(expecting.socket.sent, /Connection: close/, 'it may send the body or leave it out');
  const wrong = await discard([chunkedPost, 'x\r\n']);
  assert.equal(wrong.socket.sent.split('HTTP/1.1').length, 2, 'one answer, and the connection ends');
  assert.ok(wrong.socket.writableEnded);
});

test('an answer before the body has been read ends the connection and says so', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [post(10), 'abc']);
  answer(exchanges[0]?.outbound as Outbound, 200, 'early\n');
  assert.match(socket.sent, /Connection: close/);
  await feed(socket, [`defghij${get}`]);
  assert.equal(exchanges.length, 1);
});

test('a quiet connection is closed at the second look; a request in between, open or begun, keeps it', async () => {
  const { http1, exchanges, socket, pass } = held();
  const fresh = connectTo({ http1, seen: [], refused: [], pass });
  const begun = connectTo({ http1, seen: [], refused: [], pass });
  await feed(socket, [get]);
  await feed(begun, ['GET']);
  http1.closeQuiet();
  http1.closeQuiet();
  assert.deepEqual(
    [fresh, begun, socket].map(({ writableEnded }) => writableEnded),
    [true, false, false],
  );
  answer(exchanges[0]?.outbound as Outbound, 200, 'ok\n');
  http1.closeQuiet();
  await feed(socket, [get]);
  answer(exchanges[1]?.outbound as Outbound, 200, 'ok\n');
  http1.closeQuiet();
  assert.equal(socket.writableEnded, false);
  http1.closeQuiet();
  assert.ok(socket.writableEnded);
});

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

test('a client that closes its side before the answer does not want it', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [get]);
  socket.push(null);
  await feed(socket, []);
  assert.deepEqual(exchanges[0]?.outcomes, [{ status: 0, bytes: 0, complete: false }]);
});

test('bytes read before the connection was handed over come first, and a socket that is gone is not served', async () => {
  await using served = await listen();
  const socket = connect(served.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  const first = front();
  const memory = connectTo(first);
  memory.destroy();
  first.http1.accept(
    memory.asSocket,
    { protocol: 'http', address: '', port: 0, localAddress: '', localPort: 0, trusted: false },
    Buffer.from(get),
  );
  assert.deepEqual(first.seen, []);
  const { http1, seen } = front();
  const other = connectTo(first);
  http1.accept(
    other.asSocket,
    { protocol: 'http', address: '', port: 0, localAddress: '', localPort: 0, trusted: false },
    Buffer.from(get),
  );
  assert.equal(seen.length, 1);
});

test('an early answer reaches a client that goes on sending, and is not lost in a reset', async () => {
  await using served = await listen({ limits: { bodyBytes: 1_000 } });
  for (let round = 0; round < 20; round += 1) {
    const socket = connect(served.port, '127.0.0.1');
    let text = '';
    let failed: Error | undefined;
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', (error) => (failed = error));
    socket.write(post(5_000_000));
    socket.write(Buffer.alloc(2_000_000, 'x'));
    await until(() => socket.readableEnded || failed !== undefined, { what: 'the end of the answer' });
    assert.match(text, /^HTTP\/1\.1 413 [^]*the request body is too large\n$/, String(failed));
    socket.destroy();
  }
});
