import assert from 'node:assert/strict';
import test from 'node:test';
import { errorCode } from '../../../src/terminator/http2/protocol.ts';
import type { Inbound, Outbound, RequestBody } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { frame, request, settings, uint32 } from './support/peer.ts';
import { startFront } from './support/front.ts';

const get = (id: number): Buffer => frame(1, 5, id, request());
const post = (id: number): Buffer => frame(1, 4, id, request({ ':method': 'POST' }));

/** Writes for as long as it may; says how much it has written. */
function pour(outbound: Outbound, most: number): { written: number } {
  const state = { written: 0 };
  const chunk = Buffer.alloc(10_000, 'p');
  const more = (): void => {
    while (state.written < most) {
      state.written += chunk.length;
      if (!outbound.write(chunk)) return;
    }
    outbound.end([]);
  };
  outbound.onDrain(more);
  outbound.head(200, '', [], false);
  more();
  return state;
}

test('an answer goes as far as the windows of stream and connection allow, and what waits is bounded', async () => {
  const poured: { written: number }[] = [];
  await using front = await startFront({ handle: (_inbound, outbound) => void poured.push(pour(outbound, 5_000_000)) });
  const peer = await front.peer();
  peer.send(get(1));
  await until(() => peer.body(1).length === 65_535, { everyMs: 2, what: 'a full window' });
  await peer.roundTrip();
  assert.equal(peer.body(1).length, 65_535);
  assert.ok((poured[0]?.written ?? 0) <= 65_535 + 32_768 + 20_000, `${poured[0]?.written} bytes taken`);
  peer.send(frame(8, 0, 1, uint32(100_000)));
  await peer.roundTrip();
  assert.equal(peer.body(1).length, 65_535, 'the window of the connection is still shut');
  peer.send(frame(8, 0, 0, uint32(1_000)));
  await until(() => peer.body(1).length === 66_535, { everyMs: 2 });
  peer.send(frame(8, 0, 0, uint32(0x7f_00_00_00)), frame(8, 0, 1, uint32(0x7f_00_00_00)));
  await peer.ended(1);
  assert.equal(peer.body(1).length, 5_000_000);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 200, bytes: 5_000_000, complete: true });
});

test('no frame is larger than 16 KiB, and streams take turns', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => void pour(outbound, 1_000_000) });
  const peer = await front.peer();
  peer.send(frame(4, 0, 0, settings([4, 2_000_000])), frame(8, 0, 0, uint32(100_000_000)), get(1), get(3), get(5));
  await Promise.all([peer.ended(1), peer.ended(3), peer.ended(5)]);
  const data = peer.frames.filter(({ type }) => type === 0);
  assert.ok(data.every(({ payload }) => payload.length <= 16_384));
  const halfway = data.slice(0, data.length / 2);
  for (const id of [1, 3, 5])
    assert.ok(
      halfway.some((one) => one.id === id),
      `stream ${id} has to wait for the others`,
    );
});

test('a smaller initial window can take a stream below zero, and it waits until it is above', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => void pour(outbound, 200_000) });
  const peer = await front.peer();
  peer.send(frame(8, 0, 0, uint32(1_000_000)), get(1));
  await until(() => peer.body(1).length === 65_535, { everyMs: 2 });
  peer.send(frame(4, 0, 0, settings([4, 1_000])), frame(8, 0, 1, uint32(64_535)));
  await peer.roundTrip();
  assert.equal(peer.body(1).length, 65_535);
  peer.send(frame(8, 0, 1, uint32(500)));
  await until(() => peer.body(1).length === 66_035, { everyMs: 2 });
});

test('a stream’s window beyond 2^31-1 resets it', async () => {
  await using front = await startFront({ handle: () => undefined });
  const peer = await front.peer();
  peer.send(get(1), frame(8, 0, 1, uint32(0x7f_ff_ff_ff)));
  assert.equal(await peer.reset(1), errorCode.flowControlError);
  await peer.roundTrip();
});

/** Sends DATA on a stream for as long as its windows allow; says how much that was. */
function allowed(frames: readonly { type: number; id: number; payload: Buffer }[], id: number): number {
  const updates = frames.filter((one) => one.type === 8 && one.id === id);
  return 65_535 + updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
}

test('a body that nobody reads yet, and one that is held up, get no more than their window', async () => {
  const bodies: RequestBody[] = [];
  const got: number[] = [0];
  await using front = await startFront({ handle: ({ body }) => void bodies.push(body as RequestBody) });
  const peer = await front.peer();
  peer.send(post(1), ...Array.from({ length: 3 }, () => frame(0, 0, 1, Buffer.alloc(16_384))));
  peer.send(frame(0, 0, 1, Buffer.alloc(16_383)));
  await peer.roundTrip();
  assert.equal(allowed(peer.frames, 1), 65_535, 'nothing has been taken');
  const [body] = bodies as [RequestBody];
  body.read({
    onData: (chunk) => {
      got[0] = (got[0] as number) + chunk.length;
      body.pause();
    },
    onEnd: () => undefined,
  });
  await peer.roundTrip();
  assert.ok((got[0] as number) <= 16_384);
  assert.ok(allowed(peer.frames, 1) <= 262_144 + 16_384, 'one piece has been taken');
  while ((got[0] as number) < 65_535) body.resume();
  await peer.roundTrip();
  assert.ok(allowed(peer.frames, 1) > 262_144, 'now more may come');
});

test('bodies that nobody reads hold a connection to 1 MiB in all', async () => {
  await using front = await startFront({ handle: () => undefined });
  const peer = await front.peer();
  const update = peer.frames.find(({ type, id }) => type === 8 && id === 0);
  assert.equal(65_535 + (update?.payload.readUInt32BE(0) ?? 0), 1_048_576);
  for (let id = 1; id <= 33; id += 2) {
    peer.send(
      post(id),
      ...Array.from({ length: 4 }, (_, i) => frame(0, 0, id, Buffer.alloc(i === 3 ? 16_383 : 16_384))),
    );
  }
  assert.equal(await peer.goneAway(), errorCode.flowControlError, '17 streams of 65535 bytes are more than that');
});

test('one-byte pieces and padding are given back, too, and do not pile up', async () => {
  let got = '';
  const bodies: RequestBody[] = [];
  await using front = await startFront({ handle: ({ body }) => void bodies.push(body as RequestBody) });
  const peer = await front.peer();
  peer.send(post(1));
  for (let i = 0; i < 2_000; i += 1) peer.send(frame(0, 8, 1, Buffer.of(20, 0x61 + (i % 26), ...Buffer.alloc(20))));
  peer.send(frame(0, 1, 1));
  await peer.roundTrip();
  const [body] = bodies as [RequestBody];
  await new Promise<void>((resolve) =>
    body.read({ onData: (chunk) => (got += chunk.toString()), onEnd: () => resolve() }),
  );
  assert.equal(got.length, 2_000);
  assert.equal(got.slice(0, 27), 'abcdefghijklmnopqrstuvwxyza');
});

test('a client that asks without reading is not read from beyond a bound, and gets everything later', async () => {
  await using front = await startFront({
    handle: (_inbound: Inbound, outbound) => {
      outbound.head(200, '', ['x-large', 'l'.repeat(8_000)], false);
      outbound.end([]);
    },
    limits: { streamsPerConnection: 1_000 },
  });
  const peer = await front.peer();
  peer.socket.pause();
  const asked = 2_000;
  for (let i = 0; i < asked; i += 1) peer.send(get(2 * i + 1));
  const server = front.sockets[0];
  // 16 MB of answers: far more than the kernel takes.
  await until(() => server?.isPaused(), { what: 'the server to stop reading', everyMs: 5 });
  assert.ok((server?.writableLength ?? 0) <= 65_536 + 16_384);
  assert.ok(front.exchanges.length < asked, `${front.exchanges.length} requests taken`);
  peer.socket.resume();
  await peer.ended(2 * asked - 1);
  assert.equal(front.exchanges.length, asked);
});
