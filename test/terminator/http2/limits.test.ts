import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ResetCount } from '../../../src/terminator/http2/allowance.ts';
import { errorCode } from '../../../src/terminator/http2/protocol.ts';
import { answer } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { ask } from './support/ask.ts';
import { block, frame, request, settings, uint32 } from './support/peer.ts';
import { startFront } from './support/front.ts';

const get = (id: number, more: Record<string, string> = {}): Buffer => frame(1, 5, id, request(more));
const post = (id: number, more: Record<string, string> = {}): Buffer =>
  frame(1, 4, id, request({ ':method': 'POST', ...more }));

test('streams beyond the limit are refused as unprocessed, and the connection goes on', async () => {
  await using front = await startFront({ limits: { streamsPerConnection: 3 }, handle: () => undefined });
  const peer = await front.peer();
  peer.send(get(1), get(3), get(5), get(7), post(9), frame(0, 1, 9, Buffer.alloc(10)));
  assert.equal(await peer.reset(7), errorCode.refusedStream);
  assert.equal(await peer.reset(9), errorCode.refusedStream);
  peer.send(frame(3, 0, 1, uint32(8)), get(11));
  await until(() => front.exchanges.length === 4, { everyMs: 2 });
  assert.deepEqual(front.limits, ['streams', 'streams']);
});

test('the stream limit can be changed at run time: a lower one holds from when the client knows it', async () => {
  await using front = await startFront({ limits: { streamsPerConnection: 2 }, handle: () => undefined });
  const peer = await front.peer();
  front.configure({ limits: { streamsPerConnection: 4 } });
  await peer.until(
    ({ type, flags, payload }) => type === 4 && flags === 0 && payload.readUInt32BE(2) === 4,
    'SETTINGS',
  );
  peer.send(get(1), get(3), get(5), get(7));
  await until(() => front.exchanges.length === 4, { everyMs: 2 });
  peer.send(frame(3, 0, 1, uint32(8)), frame(3, 0, 3, uint32(8)));
  front.configure({ limits: { streamsPerConnection: 2 } });
  await peer.until(
    ({ type, flags, payload }) => type === 4 && flags === 0 && payload.readUInt32BE(2) === 2,
    'SETTINGS',
  );
  peer.send(get(9));
  await until(() => front.exchanges.length === 5, { everyMs: 2, what: 'a request the client sent before it knew' });
  peer.send(frame(4, 1, 0), frame(4, 1, 0), get(11));
  assert.equal(await peer.reset(11), errorCode.refusedStream);
});

test('a header section that is too large, or has too many fields, is answered 431', async () => {
  await using front = await startFront({ limits: { headerBytes: 2_000, headerCount: 10 } });
  const peer = await front.peer();
  peer.send(get(1, { 'x-long': 'l'.repeat(2_000) }));
  assert.equal(await peer.status(1), 431);
  const many = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`x-${i}`, '1']));
  peer.send(get(3, many), get(5), post(7, many));
  assert.deepEqual([await peer.status(3), await peer.status(5), await peer.status(7)], [431, 200, 431]);
  assert.equal(await peer.reset(7), errorCode.noError);
  assert.deepEqual(front.limits, ['header-bytes', 'header-count', 'header-count']);
  assert.deepEqual(front.refused, [431, 431, 431]);
  assert.equal(front.exchanges.length, 1);
});

test('trailers are bounded as headers are', async () => {
  await using front = await startFront({ limits: { headerBytes: 2_000 }, handle: () => undefined });
  const peer = await front.peer();
  peer.send(post(1), frame(1, 5, 1, block([['x-long', 'l'.repeat(2_000)]])));
  assert.equal(await peer.status(1), 431);
  assert.deepEqual(front.limits, ['header-bytes']);
  assert.equal(front.exchanges[0]?.outcome?.complete, false);
});

test('an HPACK bomb costs its own bytes: a field repeated by reference is counted, not kept', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  // 4,000 bytes into the table, then 10,000 times by one byte: 40 MB of fields in 14 KB.
  const kept = Buffer.concat([Buffer.of(0x40), block([['x-bomb', 'b'.repeat(3_900)]]).subarray(1)]);
  peer.send(frame(1, 5, 1, Buffer.concat([request(), kept, Buffer.alloc(10_000, 0xbe)])));
  assert.equal(await peer.status(1), 431);
  peer.send(get(3));
  assert.equal(await peer.status(3), 200, 'the connection is sound');
  assert.deepEqual(front.limits, ['header-bytes']);
});

test('a header block that goes on and on ends the connection (CVE-2024-27316)', async (t) => {
  const floods: Record<string, Buffer> = {
    'in full frames': frame(9, 0, 1, Buffer.alloc(16_384)),
    'in small frames': frame(9, 0, 1, Buffer.of(0x82)),
    'in empty frames': frame(9, 0, 1),
  };
  for (const [name, continuation] of Object.entries(floods)) {
    await t.test(name, async () => {
      await using front = await startFront();
      const peer = await front.peer();
      peer.send(frame(1, 1, 1, request()), ...Array.from({ length: 100 }, () => continuation));
      assert.equal(await peer.goneAway(), errorCode.enhanceYourCalm);
      await peer.untilClosed();
      assert.deepEqual(front.limits, ['header-block']);
      assert.equal(front.exchanges.length, 0);
    });
  }
});

test('a header block in a few CONTINUATION frames is read', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  const whole = request({ 'x-long': 'l'.repeat(20_000) });
  const parts = [0, 1, 10_000, 20_000].map((from, i, all) => whole.subarray(from, all[i + 1]));
  peer.send(frame(1, 1, 1, parts[0]), ...parts.slice(1).map((part, i) => frame(9, i === 2 ? 4 : 0, 1, part)));
  assert.equal(await peer.status(1), 200);
});

test('a client that resets stream after stream is sent away (rapid reset, CVE-2023-44487)', async () => {
  await using front = await startFront({ limits: { resetsPerMinute: 50 }, handle: () => undefined });
  const peer = await front.peer();
  for (let id = 1; id < 400; id += 2) peer.send(get(id), frame(3, 0, id, uint32(8)));
  assert.equal(await peer.goneAway(), errorCode.enhanceYourCalm);
  await peer.untilClosed();
  assert.equal(front.exchanges.length, 51);
  assert.ok(front.exchanges.every(({ outcome }) => outcome?.complete === false));
  assert.deepEqual(front.limits, ['resets']);
});

test('so is one that makes us reset them (CVE-2025-8671)', async () => {
  await using front = await startFront({ limits: { resetsPerMinute: 50 }, handle: () => undefined });
  const peer = await front.peer();
  for (let id = 1; id < 400; id += 2) peer.send(post(id, { 'content-length': '1' }), frame(0, 0, id, Buffer.alloc(2)));
  assert.equal(await peer.goneAway(), errorCode.enhanceYourCalm);
  assert.ok(front.exchanges.length <= 51);
  assert.deepEqual(front.limits, ['resets']);
});

test('resets of streams that are answered do not count, and others are forgotten after a minute', async () => {
  await using front = await startFront({
    limits: { resetsPerMinute: 5 },
    timeouts: { idleMs: 600_000 },
    handle: ({ target }, outbound) => (target === '/' ? answer(outbound, 200, 'at once') : undefined),
  });
  const peer = await front.peer();
  for (let id = 1; id < 100; id += 2) peer.send(get(id), frame(3, 0, id, uint32(8)));
  for (let id = 101; id < 111; id += 2) peer.send(get(id, { ':path': '/slow' }), frame(3, 0, id, uint32(8)));
  await peer.roundTrip();
  front.pass(120_000);
  for (let id = 111; id < 121; id += 2) peer.send(get(id, { ':path': '/slow' }), frame(3, 0, id, uint32(8)));
  await peer.roundTrip();
  assert.deepEqual(front.limits, []);
});

test('a moving minute never lets through more than twice the limit, and nobody below half of it is refused', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 }),
      (most, gaps) => {
        const count = new ResetCount();
        const passed: number[] = [];
        const all: number[] = [];
        let now = 0;
        for (const gap of gaps) {
          now += gap;
          all.push(now);
          const lastMinute = all.filter((at) => at > now - 120_000).length;
          const ok = count.add(now, most);
          if (!ok) {
            assert.ok(lastMinute > most / 2);
            return; // the connection ends
          }
          passed.push(now);
          assert.ok(passed.filter((at) => at > now - 60_000).length <= 2 * most);
        }
      },
    ),
  );
});

test('frames that move nothing run out', async (t) => {
  const floods: Record<string, [first: Buffer, frame: Buffer]> = {
    PING: [Buffer.alloc(0), frame(6, 0, 0, Buffer.alloc(8))],
    'PING answers': [Buffer.alloc(0), frame(6, 1, 0, Buffer.alloc(8))],
    SETTINGS: [Buffer.alloc(0), frame(4, 0, 0, settings([4, 65_535]))],
    'SETTINGS answers': [Buffer.alloc(0), frame(4, 1, 0)],
    PRIORITY: [Buffer.alloc(0), frame(2, 0, 1, Buffer.of(0, 0, 0, 3, 1))],
    'empty DATA': [post(1), frame(0, 0, 1)],
    'WINDOW_UPDATE by 1': [Buffer.alloc(0), frame(8, 0, 0, uint32(1))],
    'unknown frames': [Buffer.alloc(0), frame(0xbe, 0, 0)],
    'resets of one stream': [get(1), frame(3, 0, 1, uint32(8))],
    GOAWAY: [Buffer.alloc(0), frame(7, 0, 0, Buffer.alloc(8))],
  };
  for (const [name, [first, flood]] of Object.entries(floods)) {
    await t.test(name, async () => {
      await using front = await startFront();
      const peer = await front.peer();
      peer.send(first, ...Array.from({ length: 3_000 }, () => flood));
      assert.equal(await peer.goneAway(), errorCode.enhanceYourCalm);
      await peer.untilClosed();
      assert.deepEqual(front.limits, ['idle-frames']);
      const pings = peer.frames.filter(({ type }) => type === 6).length;
      assert.ok(pings <= 1_001, `${pings} answers`);
    });
  }
});

test('a client that pings and opens windows beside real requests is not sent away', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  for (let i = 0; i < 2_000; i += 1) {
    peer.send(get(2 * i + 1), frame(6, 0, 0, Buffer.alloc(8)), frame(8, 0, 0, uint32(20)));
    if (i % 50 === 0) await peer.ended(2 * i + 1); // not more streams at a time than are allowed
  }
  await peer.ended(3_999);
  assert.deepEqual(front.limits, []);
});

test('an answer is not dribbled out byte by byte for ever (CVE-2019-9511)', async () => {
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      outbound.head(200, '', [], false);
      outbound.write(Buffer.alloc(30_000));
    },
  });
  const peer = await front.peer();
  peer.send(frame(4, 0, 0, settings([4, 0])), get(1));
  await peer.status(1);
  for (let i = 0; i < 3_000; i += 1) peer.send(frame(8, 0, 1, uint32(1)));
  assert.equal(await peer.goneAway(), errorCode.enhanceYourCalm);
});

test('a request body that is too large is answered 413, announced or not, and whoever handles it is told', async () => {
  let got = 0;
  await using front = await startFront({
    limits: { bodyBytes: 10_000 },
    handle: ({ body }) =>
      body?.read({ onData: (chunk) => (got += chunk.length), onEnd: () => assert.fail('too large') }),
  });
  const session = await front.client();
  const announced = await ask(session, { ':method': 'POST', 'content-length': '10001' }, Buffer.alloc(10_001));
  assert.deepEqual([announced.status, announced.body], [413, '413 Payload Too Large: the request body is too large\n']);
  assert.equal(front.exchanges.length, 0);
  const streamed = await ask(session, { ':method': 'POST' }, Buffer.alloc(100_000));
  assert.deepEqual([streamed.status, streamed.rst], [413, 0]);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 413, bytes: 0, complete: false });
  assert.ok(got <= 10_000 + 16_384);
  assert.deepEqual(front.limits, ['body-bytes', 'body-bytes']);
  assert.deepEqual(front.refused, [413], 'the other one is in the outcome');
});

test('a body that grows too large after the answer has begun resets the stream', async () => {
  await using front = await startFront({
    limits: { bodyBytes: 10 },
    handle: ({ body }, outbound) => {
      outbound.head(200, '', [], false);
      body?.read({ onData: () => undefined, onEnd: () => undefined });
    },
  });
  const peer = await front.peer();
  peer.send(post(1), frame(0, 0, 1, Buffer.alloc(11)));
  assert.equal(await peer.status(1), 200);
  assert.equal(await peer.reset(1), errorCode.cancel);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 200, bytes: 0, complete: false });
});

test('after its number of requests a connection is left, and every request of a client that hears it is answered', async () => {
  await using front = await startFront({ limits: { requestsPerConnection: 10 } });
  const session = await front.client();
  let goneAway = 0;
  session.on('goaway', () => (goneAway += 1));
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(session)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    answers.map(() => 200),
    'those that were on their way, too',
  );
  await until(() => session.closed && session.destroyed, { everyMs: 2, what: 'the end of the connection' });
  assert.ok(goneAway > 0);
  assert.deepEqual(front.limits, ['requests']);
});
