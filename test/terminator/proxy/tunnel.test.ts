import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import test from 'node:test';
import fc from 'fast-check';
import { joinStreams } from '../../../src/terminator/proxy/tunnel.ts';
import { until } from '../../support/until.ts';
import { TunnelEnd } from './support.ts';

test('the end of one direction leaves the other open (half-close)', async () => {
  const [client, backend] = [new TunnelEnd(), new TunnelEnd()];
  client.pause();
  backend.pause();
  joinStreams(client, backend, 0);
  client.push('last words');
  client.push(null);
  await once(backend, 'finish');
  assert.equal(backend.received, 'last words');
  backend.push('the answer to them');
  backend.push(null);
  await once(client, 'finish');
  assert.equal(client.received, 'the answer to them');
  await until(() => client.destroyed && backend.destroyed);
});

test('an error or a sudden end on one side takes the other down', async () => {
  for (const side of [0, 1] as const) {
    for (const how of [(stream: Duplex) => stream.destroy(), (stream: Duplex) => stream.destroy(new Error('reset'))]) {
      const ends = [new TunnelEnd(), new TunnelEnd()] as const;
      joinStreams(ends[0], ends[1], 0);
      const closed = once(ends[1 - side] as Duplex, 'close');
      how(ends[side]);
      await closed;
    }
  }
});

test('a side that takes nothing holds up the other one', async () => {
  const client = new TunnelEnd();
  const waiting: (() => void)[] = [];
  const backend = new Duplex({
    read: () => undefined,
    highWaterMark: 1_000,
    write: (_chunk, _encoding, done) => void waiting.push(done),
  });
  joinStreams(client, backend, 0);
  let pushed = 0;
  while (client.push(Buffer.alloc(10_000))) pushed += 1;
  await until(() => client.isPaused());
  assert.ok(backend.writableLength < 100_000, `${backend.writableLength} bytes for a side that takes none`);
  assert.ok(pushed < 1_000);
  while (client.readableLength > 0 || waiting.length > 0) {
    waiting.shift()?.();
    await new Promise(setImmediate);
  }
  assert.equal(client.isPaused(), false);
  client.destroy();
});

test('silence in both directions ends a tunnel, a byte in either keeps it open', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [client, backend] = [new TunnelEnd(), new TunnelEnd()];
  joinStreams(client, backend, 1_000);
  for (const end of [client, backend, client]) {
    end.push('x');
    await new Promise(setImmediate);
    t.mock.timers.tick(1_000);
    assert.equal(client.destroyed, false);
  }
  t.mock.timers.tick(1_000);
  assert.deepEqual([client.destroyed, backend.destroyed], [true, true]);
  const forever = [new TunnelEnd(), new TunnelEnd()] as const;
  joinStreams(...forever, 0);
  t.mock.timers.tick(1e9);
  assert.equal(forever[0].destroyed, false);
});

test('every byte arrives once and in order, whatever the pieces and pauses', async () => {
  const pieces = fc.array(fc.tuple(fc.boolean(), fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 50 })), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(pieces, async (sent) => {
      const [client, backend] = [new TunnelEnd(), new TunnelEnd()];
      joinStreams(client, backend, 0);
      const expected = { up: '', down: '' };
      for (const [up, text] of sent) {
        (up ? client : backend).push(text);
        expected[up ? 'up' : 'down'] += text;
        if (text.length % 3 === 0) await new Promise(setImmediate);
      }
      client.push(null);
      backend.push(null);
      await Promise.all([once(client, 'finish'), once(backend, 'finish')]);
      assert.deepEqual({ up: backend.received, down: client.received }, expected);
    }),
    { numRuns: 50 },
  );
});
