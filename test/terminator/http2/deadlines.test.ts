import assert from 'node:assert/strict';
import test from 'node:test';
import { errorCode, preface } from '../../../src/terminator/http2/protocol.ts';
import type { RequestBody } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { frame, FramePeer, request, settings, uint32 } from './support/peer.ts';
import { startFront, type FrontOptions } from './support/front.ts';

const timeouts = { headerMs: 15_000, bodyMs: 60_000, idleMs: 75_000 };
const get = (id: number): Buffer => frame(1, 5, id, request());
const post = (id: number): Buffer => frame(1, 4, id, request({ ':method': 'POST' }));

test('a connection on which nothing begins is closed after headerMs', async (t) => {
  const starts: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    'a part of the preface': preface.subarray(0, 10),
    'the preface alone': preface,
    'half of SETTINGS': Buffer.concat([preface, frame(4, 0, 0, settings([1, 1])).subarray(0, 11)]),
  };
  for (const [name, bytes] of Object.entries(starts)) {
    await t.test(name, async () => {
      await using front = await startFront({ timeouts });
      const peer = new FramePeer(await front.socket());
      peer.send(bytes);
      await peer.until(({ type }) => type === 4, 'SETTINGS of the server');
      front.pass(14_000);
      assert.equal(peer.closed, false);
      front.pass(2_000);
      await peer.untilClosed();
      assert.deepEqual(front.limits, ['header-time']);
    });
  }
});

test('a header section, or the frame of one, that does not end in headerMs ends the connection', async (t) => {
  const beginnings: Record<string, Buffer> = {
    'a block without its end': frame(1, 1, 1, request()),
    'a frame without its end': get(1).subarray(0, 20),
    'half a frame header': get(1).subarray(0, 5),
  };
  for (const [name, bytes] of Object.entries(beginnings)) {
    await t.test(name, async () => {
      await using front = await startFront({ timeouts, handle: () => undefined });
      const peer = await front.peer();
      front.pass(20_000);
      peer.send(bytes);
      await until(() => (front.sockets[0]?.bytesRead ?? 0) >= 24 + 9 + 9 + bytes.length, { everyMs: 2 });
      front.pass(14_000);
      assert.deepEqual(front.limits, []);
      front.pass(2_000);
      await peer.untilClosed();
      assert.deepEqual(front.limits, ['header-time']);
    });
  }
});

test('a header block that goes on with a frame now and then gets no more time', async () => {
  await using front = await startFront({ timeouts });
  const peer = await front.peer();
  peer.send(frame(1, 1, 1, request()));
  for (let i = 0; i < 10 && !peer.closed; i += 1) {
    const before = front.sockets[0]?.bytesRead ?? 0;
    peer.send(frame(9, 0, 1));
    await until(() => (front.sockets[0]?.bytesRead ?? 0) > before || peer.closed, { everyMs: 2 });
    front.pass(3_000);
  }
  await peer.untilClosed();
  assert.deepEqual(front.limits, ['header-time']);
});

test('a connection without a request is left after idleMs, PINGs or not', async () => {
  await using front = await startFront({ timeouts });
  const peer = await front.peer();
  front.pass(70_000);
  peer.send(get(1));
  await peer.ended(1);
  front.pass(70_000);
  await peer.roundTrip();
  front.pass(5_250);
  const goAway = await peer.until(({ type }) => type === 7, 'GOAWAY');
  assert.equal(goAway.payload.readUInt32BE(4), errorCode.noError);
  peer.send(get(3));
  assert.equal(await peer.status(3), 200, 'a request that crosses the GOAWAY');
  front.pass(1_250);
  await peer.untilClosed();
  assert.deepEqual(front.limits, []);
});

test('a connection whose client has said GOAWAY is closed soon after its last answer', async () => {
  await using front = await startFront({ timeouts, handle: () => undefined });
  const peer = await front.peer();
  peer.send(get(1), frame(7, 0, 0, Buffer.alloc(8)), get(3));
  await until(() => front.exchanges.length === 2, { everyMs: 2 });
  front.pass(50_000);
  await peer.roundTrip();
  for (const { outbound } of front.exchanges) {
    outbound.head(204, '', [], false);
    outbound.end([]);
  }
  await peer.ended(3);
  front.pass(2_500);
  await peer.untilClosed();
});

test('an open request keeps its connection, however long the backend takes', async () => {
  await using front = await startFront({ timeouts, handle: () => undefined });
  const peer = await front.peer();
  peer.send(get(1));
  await peer.roundTrip();
  front.pass(1_000_000);
  const outbound = front.exchanges[0]?.outbound;
  outbound?.head(200, '', [], false);
  outbound?.end([]);
  assert.equal(await peer.status(1), 200);
});

test('a body that stops coming is answered 408 after bodyMs', async () => {
  await using front = await startFront({
    timeouts,
    handle: ({ body }) => body?.read({ onData: () => undefined, onEnd: () => assert.fail('not complete') }),
  });
  const peer = await front.peer();
  peer.send(post(1));
  await peer.roundTrip();
  front.pass(59_000);
  peer.send(frame(0, 0, 1, Buffer.of(1)));
  await peer.roundTrip();
  front.pass(59_000);
  assert.deepEqual(front.limits, []);
  front.pass(2_000);
  assert.equal(await peer.status(1), 408);
  assert.equal(await peer.reset(1), errorCode.noError);
  assert.deepEqual(front.limits, ['body-time']);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 408, bytes: 0, complete: false });
});

const answering: FrontOptions['handle'] = ({ body }, outbound) => {
  outbound.head(200, '', [], false);
  body?.read({ onData: () => undefined, onEnd: () => assert.fail('not complete') });
};

test('once the answer has begun, a body that stays open is a conversation: as silent as a tunnel may be', async () => {
  await using forEver = await startFront({ timeouts, handle: answering });
  const patient = await forEver.peer();
  patient.send(post(1));
  await patient.roundTrip();
  forEver.pass(3_600_000);
  await patient.roundTrip();
  assert.deepEqual(forEver.limits, []);

  await using front = await startFront({ timeouts: { ...timeouts, tunnelIdleMs: 100_000 }, handle: answering });
  const peer = await front.peer();
  peer.send(post(1));
  await peer.roundTrip();
  front.pass(99_000);
  peer.send(frame(0, 0, 1, Buffer.of(1)));
  await peer.roundTrip();
  front.pass(99_000);
  front.exchanges[0]?.outbound.write(Buffer.from('y'));
  await peer.roundTrip();
  front.pass(99_000);
  assert.deepEqual(front.limits, [], 'a byte in either direction');
  front.pass(2_000);
  assert.equal(await peer.reset(1), errorCode.cancel);
  assert.deepEqual(front.limits, ['body-time']);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 200, bytes: 1, complete: false });
});

test('a body that we hold up, or do not want yet, has no deadline', async () => {
  const bodies: RequestBody[] = [];
  await using front = await startFront({ timeouts, handle: ({ body }) => void bodies.push(body as RequestBody) });
  const peer = await front.peer();
  peer.send(post(1), post(3), frame(0, 0, 3, Buffer.of(1)));
  await until(() => bodies.length === 2, { everyMs: 2 });
  bodies[1]?.read({ onData: () => bodies[1]?.pause(), onEnd: () => undefined });
  await peer.roundTrip();
  front.pass(500_000);
  await peer.roundTrip();
  assert.deepEqual(front.limits, []);
});

test('an answer whose window stays shut is given up after idleMs, one that is taken slowly is not', async () => {
  await using front = await startFront({
    timeouts,
    handle: (_inbound, outbound) => {
      outbound.head(200, '', [], false);
      outbound.write(Buffer.alloc(10_000));
      outbound.end([]);
    },
  });
  const peer = await front.peer();
  peer.send(frame(4, 0, 0, settings([4, 0])), get(1), get(3));
  await peer.status(3);
  for (let i = 0; i < 4; i += 1) {
    front.pass(50_000);
    peer.send(frame(8, 0, 3, uint32(2_500)));
    await peer.roundTrip();
  }
  await peer.ended(3);
  assert.equal(await peer.reset(1), errorCode.cancel);
  assert.deepEqual(front.limits, ['stalled']);
  assert.deepEqual(
    front.exchanges.map(({ outcome }) => outcome?.complete),
    [false, true],
  );
});

test('a client that stops reading is dropped after idleMs', async () => {
  await using front = await startFront({
    timeouts,
    handle: (_inbound, outbound) => {
      outbound.head(200, '', [], false);
      while (outbound.write(Buffer.alloc(100_000)));
    },
  });
  const peer = await front.peer();
  peer.socket.pause();
  peer.send(frame(4, 0, 0, settings([4, 0x7f_ff_ff_ff])), frame(8, 0, 0, uint32(0x7f_00_00_00)));
  for (let id = 1; id < 201; id += 2) peer.send(get(id));
  await until(() => front.exchanges.length === 100, { everyMs: 2 });
  const server = front.sockets[0];
  await until(() => (server?.writableLength ?? 0) > 0, { everyMs: 2, what: 'a write that does not end' });
  front.pass(80_000);
  await until(() => server?.destroyed, { everyMs: 2, what: 'the end of the connection' });
  assert.ok(front.limits.includes('stalled'));
  await until(() => front.exchanges.every(({ outcome }) => outcome?.complete === false), { everyMs: 2 });
});

test('deadlines follow the settings at run time', async () => {
  await using front = await startFront({ timeouts });
  const peer = await front.peer();
  front.configure({ timeouts: { ...timeouts, idleMs: 1_000 } });
  front.pass(1_250);
  await peer.until(({ type }) => type === 7, 'GOAWAY');
  front.pass(1_250);
  await peer.untilClosed();
});
