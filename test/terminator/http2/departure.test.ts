import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { errorCode } from '../../../src/terminator/http2/protocol.ts';
import { answer, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { ask } from './support/ask.ts';
import { frame, request } from './support/peer.ts';
import { startFront } from './support/front.ts';

const get = (id: number): Buffer => frame(1, 5, id, request());

test('GOAWAY lets open streams end and serves what the client sends before it knows', async () => {
  const held: Outbound[] = [];
  await using front = await startFront({ handle: (_inbound, outbound) => void held.push(outbound) });
  const peer = await front.peer();
  peer.send(get(1));
  await until(() => held.length === 1, { everyMs: 2 });
  front.http2.goAway();
  const first = await peer.until(({ type }) => type === 7, 'GOAWAY');
  assert.deepEqual([first.payload.readUInt32BE(0), first.payload.readUInt32BE(4)], [0x7f_ff_ff_ff, errorCode.noError]);
  const ping = await peer.until(({ type, flags }) => type === 6 && flags === 0, 'PING');
  peer.send(get(3));
  await until(() => held.length === 2, { everyMs: 2, what: 'the request that crossed the GOAWAY' });
  peer.send(frame(6, 1, 0, ping.payload), get(5));
  assert.equal(await peer.reset(5), errorCode.refusedStream, 'the client knew');
  const last = peer.frames.findLast(({ type }) => type === 7);
  assert.deepEqual([last?.payload.readUInt32BE(0), last?.payload.readUInt32BE(4)], [3, errorCode.noError]);
  for (const outbound of held) answer(outbound, 200, 'done');
  await peer.ended(3);
  await peer.untilClosed();
  assert.deepEqual([peer.body(1), peer.body(3)], ['done', 'done']);
  assert.ok(front.exchanges.every(({ outcome }) => outcome?.complete));
});

test('a client that does not answer the PING has a second', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  front.http2.goAway();
  await peer.until(({ type }) => type === 7, 'GOAWAY');
  front.pass(750);
  peer.send(get(1));
  await peer.ended(1);
  front.pass(500);
  await peer.untilClosed();
});

test('an idle connection is closed a round trip after GOAWAY', async () => {
  await using front = await startFront();
  const session = await front.client();
  await ask(session);
  const closed = once(session, 'close');
  front.http2.goAway();
  await closed;
  await until(() => front.sockets[0]?.destroyed, { everyMs: 2 });
});

test('no request of a client under load fails when its connection is left', async () => {
  await using front = await startFront();
  for (let round = 0; round < 5; round += 1) {
    const session = await front.client();
    const seen = { goAway: false };
    let asked = 0;
    session.once('goaway', () => (seen.goAway = true));
    const lane = async (): Promise<void> => {
      while (!seen.goAway) {
        asked += 1;
        if (asked === 100 * (round + 1)) front.http2.goAway();
        assert.equal((await ask(session)).status, 200);
      }
    };
    await Promise.all(Array.from({ length: 50 }, lane));
  }
});

test('a client that goes on sending after the end is cut off', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  peer.send(frame(0, 0, 0));
  await peer.goneAway();
  const flood = Buffer.alloc(65_536);
  const timer = setInterval(() => peer.socket.writable && peer.socket.write(flood), 1);
  await until(() => front.sockets[0]?.destroyed, { everyMs: 2 });
  clearInterval(timer);
});

test('one that neither sends nor closes is cut off after a moment', async () => {
  await using front = await startFront();
  const socket = await front.socket();
  socket.allowHalfOpen = true;
  socket.resume();
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await once(socket, 'end');
  assert.equal(front.sockets[0]?.destroyed, false);
  front.pass(2_250);
  await until(() => front.sockets[0]?.destroyed, { everyMs: 2 });
});

test('destroy ends every connection now, and a socket that has gone already is no error', async () => {
  await using front = await startFront({ handle: () => undefined });
  const peer = await front.peer();
  peer.send(get(1));
  await until(() => front.exchanges.length === 1, { everyMs: 2 });
  front.http2.destroy();
  await peer.untilClosed();
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 0, bytes: 0, complete: false });
  const [socket] = front.sockets;
  assert.ok(socket);
  front.http2.accept(socket, front.exchanges[0].inbound.connection);
  await until(() => !front.ticking, { everyMs: 2 });
});
