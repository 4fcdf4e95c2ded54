import assert from 'node:assert/strict';
import test from 'node:test';
import { answer, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { chunkedPost, get, held, post, sinkOf, timeouts } from './held.ts';
import { client, connectTo, feed, front, MemorySocket, settingsOf } from './served.ts';

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
  assert.deepEqual([slow.refused, slow.limits, silent.limits], [[408], ['header-time'], []]);
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
  const { exchanges, socket, pass, limits } = held();
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
  assert.deepEqual(limits, ['body-time']);
  for (let i = 0; i < 3; i += 1) {
    exchanges[0]?.inbound.body?.pause();
    exchanges[0]?.inbound.body?.resume();
    pass(1_000);
  }
  assert.ok(socket.destroyed, 'whoever wanted the body cannot keep the connection');
});

test('once the answer has begun, a body that stays open is a conversation: as silent as a tunnel may be', async () => {
  const forEver = held();
  const limited = held({ timeouts: { ...timeouts, tunnelIdleMs: 6_000 } });
  for (const { socket, exchanges } of [forEver, limited]) {
    await feed(socket, [chunkedPost]);
    const { inbound, outbound } = exchanges[0] as (typeof exchanges)[0];
    inbound.body?.read(sinkOf());
    outbound.head(200, '', [], false);
    outbound.flush();
  }
  forEver.pass(3_600_000);
  assert.deepEqual(forEver.limits, []);
  assert.equal(forEver.socket.destroyed, false);

  const { socket, exchanges, pass, limits } = limited;
  const outbound = exchanges[0]?.outbound;
  pass(5_000);
  await feed(socket, ['1\r\nx\r\n']);
  pass(5_000);
  outbound?.write(Buffer.from('y'));
  outbound?.flush();
  await feed(socket, []);
  pass(5_000);
  assert.deepEqual([socket.destroyed, limits], [false, []], 'a byte in either direction');
  pass(1_250);
  await feed(socket, []);
  assert.ok(socket.destroyed);
  assert.deepEqual(exchanges[0]?.outcomes, [{ status: 200, bytes: 1, complete: false }]);
  assert.deepEqual(limits, ['body-time']);
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
  const { exchanges, socket, pass, limits } = held();
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
  assert.deepEqual(limits, ['stalled']);
});

test('a closing answer waits for a client that reads slowly; then the connection goes, with or without it', async () => {
  const { exchanges, socket, pass } = held();
  socket.setReading(false);
  await feed(socket, [get]);
  const outbound = exchanges[0]?.outbound as Outbound;
  outbound.head(200, '', ['content-length', '50000'], true);
  outbound.write(Buffer.alloc(50_000, 'x'));
  outbound.end([]);
  pass(7_000);
  await feed(socket, ['what it sends now is dropped']);
  assert.equal(socket.destroyed, false);
  socket.setReading(true);
  await feed(socket, []);
  assert.ok(socket.sent.endsWith('x'.repeat(50_000)));
  pass(1_500);
  assert.equal(socket.destroyed, false);
  pass(1_000);
  assert.ok(socket.destroyed);
});

test('time is looked at only while there is a connection', async () => {
  const served = front();
  assert.equal(served.ticking(), false);
  const [one, other] = [connectTo(served), connectTo(served)];
  one.destroy();
  await feed(one, []);
  assert.ok(served.ticking());
  other.destroy();
  await feed(other, []);
  assert.equal(served.ticking(), false);
  connectTo(served);
  assert.ok(served.ticking());
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

test('a quiet connection is closed at the second look; a request in between, open or begun, keeps it', async () => {
  const { http1, exchanges, socket } = held();
  const fresh = connectTo({ http1 });
  const begun = connectTo({ http1 });
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

test('a client that closes its side before the answer does not want it', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [get]);
  socket.push(null);
  await feed(socket, []);
  assert.deepEqual(exchanges[0]?.outcomes, [{ status: 0, bytes: 0, complete: false }]);
});

test('bytes read before the connection was handed over come first, and a socket that is gone is not served', async () => {
  const { http1, seen } = front();
  const socket = new MemorySocket();
  http1.accept(socket.asSocket, client, Buffer.from(get.slice(0, 10)));
  await feed(socket, [get.slice(10)]);
  assert.equal(seen.length, 1);
  const gone = new MemorySocket();
  gone.destroy();
  http1.accept(gone.asSocket, client, Buffer.from(get));
  assert.equal(seen.length, 1);
});
