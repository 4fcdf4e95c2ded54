import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { errorCode, preface } from '../../../src/terminator/http2/protocol.ts';
import type { Inbound, Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { ask } from './support/ask.ts';
import { block, frame, request, settings, uint32 } from './support/peer.ts';
import { startFront } from './support/front.ts';

const seed = 7_540;
const id = fc.oneof(fc.constantFrom(0, 1, 3, 5, 7), fc.integer({ min: 0, max: 0x7f_ff_ff_ff }));
const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((some) => Buffer.from(some));
const fields = fc
  .array(
    fc.tuple(
      fc.constantFrom(':path', ':method', 'te', 'cookie', 'content-length', 'x', 'X', ''),
      fc.string({ maxLength: 9 }),
    ),
    {
      maxLength: 6,
    },
  )
  .map(block);
const headers = fc.oneof(
  fc.constantFrom(request(), request({ ':method': 'POST' }), request({ ':method': 'POST', 'content-length': '5' })),
  fc.constant(request({ ':method': 'CONNECT', ':protocol': 'websocket' })),
  fields.map((more) => Buffer.concat([request(), more])),
  fields,
  bytes(60),
);

/** Frames that mean something, in any order, and frames that do not. */
const someFrame = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(4, 5, 0, 1, 0xc, 0x2d), id, headers).map(([f, i, p]) => frame(1, f, i, p)),
  },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(0, 1, 8, 9), id, bytes(300)).map(([f, i, p]) => frame(0, f, i, p)) },
  { weight: 2, arbitrary: fc.tuple(id, fc.nat(12)).map(([i, code]) => frame(3, 0, i, uint32(code))) },
  { weight: 2, arbitrary: fc.tuple(id, fc.nat(0x7f_ff_ff_ff)).map(([i, n]) => frame(8, 0, i, uint32(n))) },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.tuple(fc.nat(9), fc.oneof(fc.nat(70_000), fc.nat(0x7f_ff_ff_ff))), { maxLength: 4 })
      .map((entries) => frame(4, 0, 0, settings(...entries))),
  },
  fc.constantFrom(frame(4, 1, 0), frame(6, 0, 0, Buffer.alloc(8)), frame(7, 0, 0, Buffer.alloc(8))),
  fc.tuple(fc.nat(255), fc.nat(255), id, bytes(40)).map(([type, flags, i, p]) => frame(type, flags, i, p)),
  fc.tuple(fc.constantFrom(0, 4), id, headers).map(([f, i, p]) => frame(9, f, i, p)),
);

/** Does what a backend might, at once or a little later, by what the target says. */
function anyhow(inbound: Inbound, outbound: Outbound): void {
  const { body, upgrade, headers: sent } = inbound;
  const choice = sent.length % 5;
  outbound.onDrain(() => undefined);
  if (upgrade !== undefined && choice < 3) {
    const tunnel = outbound.tunnel([]);
    tunnel.on('error', () => undefined);
    tunnel.pipe(tunnel);
    return;
  }
  if (choice === 0) body?.discard();
  else body?.read({ onData: (chunk) => outbound.write(chunk), onEnd: () => outbound.end(['x-sum', '1']) });
  outbound.inform(103, []);
  outbound.head(200, '', choice === 1 ? ['content-length', '5'] : [], false);
  outbound.write(Buffer.alloc(choice * 40_000));
  if (choice === 2) setImmediate(() => outbound.cut());
  else if (choice === 3) body?.pause();
  else if (body === undefined) outbound.end([]);
}

test('whatever frames come, nothing throws, nothing hangs, every exchange ends, and others are served', async () => {
  await using front = await startFront({ handle: anyhow, limits: { bodyBytes: 2_000, headerBytes: 4_000 } });
  const session = await front.client();
  await fc.assert(
    fc.asyncProperty(
      fc.array(someFrame, { maxLength: 30 }),
      fc.array(fc.nat(3_000), { maxLength: 4 }),
      async (frames, cuts) => {
        const socket = await front.socket();
        const wire = Buffer.concat([preface, frame(4, 0, 0), ...frames]);
        const server = await until(() => front.sockets.find((one) => one.remotePort === socket.localPort), {
          everyMs: 1,
        });
        socket.resume();
        let from = 0;
        for (const at of [...cuts.map((one) => one % wire.length), wire.length].toSorted((a, b) => a - b)) {
          socket.write(wire.subarray(from, at));
          from = at;
          await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => server.destroyed || server.writableEnded || server.bytesRead >= wire.length, { everyMs: 1 });
        socket.destroy();
        await until(() => server.destroyed, { everyMs: 1, what: 'the end of the connection' });
        front.sockets.length = 0;
      },
    ),
    { numRuns: 300, seed, endOnFailure: true },
  );
  await until(() => front.exchanges.every(({ outcome }) => outcome !== undefined), {
    what: 'the end of all exchanges',
  });
  const { rst } = await ask(session, { ':path': '/sound' });
  assert.equal(rst, errorCode.noError);
});

test('sound frames with random bytes changed do no harm either', async () => {
  await using front = await startFront({ handle: anyhow });
  const sound = Buffer.concat([
    preface,
    frame(4, 0, 0, settings([4, 100_000], [1, 0])),
    frame(1, 4, 1, request({ ':method': 'POST' })),
    frame(0, 8, 1, Buffer.concat([Buffer.of(3), Buffer.from('hello'), Buffer.alloc(3)])),
    frame(1, 5, 1, block([['x-sum', '1']])),
    frame(1, 0x25, 3, Buffer.concat([uint32(1), Buffer.of(9), request({ cookie: 'a=b' })])),
    frame(1, 1, 5, request()),
    frame(9, 4, 5, block([['x', 'y']])),
    frame(8, 0, 0, uint32(70_000)),
    frame(6, 0, 0, Buffer.alloc(8)),
    frame(3, 0, 3, uint32(8)),
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: preface.length, max: sound.length - 1 }), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      }),
      async (changes) => {
        const wire = Buffer.from(sound);
        for (const [at, byte] of changes) wire[at] = byte;
        const socket = await front.socket();
        socket.resume();
        const server = await until(() => front.sockets.find((one) => one.remotePort === socket.localPort), {
          everyMs: 1,
        });
        socket.write(wire);
        await until(() => server.destroyed || server.writableEnded || server.bytesRead >= wire.length, { everyMs: 1 });
        socket.destroy();
        await until(() => server.destroyed, { everyMs: 1, what: 'the end of the connection' });
        front.sockets.length = 0;
      },
    ),
    { numRuns: 300, seed, endOnFailure: true },
  );
  await until(() => front.exchanges.every(({ outcome }) => outcome !== undefined), {
    what: 'the end of all exchanges',
  });
  assert.equal(front.ticking, false);
});
