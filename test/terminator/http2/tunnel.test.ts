import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { answer, type Inbound, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { ask } from './support/ask.ts';
import { startFront } from './support/front.ts';

const connect = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', 'sec-websocket-version': '13' };

test('an extended CONNECT reads as a GET that asks for a WebSocket, and bytes pass both ways (RFC 8441)', async () => {
  let tunnel: Duplex | undefined;
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      tunnel = outbound.tunnel(['sec-websocket-accept', 'x', 'sec-websocket-protocol', 'chat']);
      tunnel.pipe(tunnel);
    },
  });
  const session = await front.client();
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request(connect, { endStream: false });
  const [headers] = (await once(stream, 'response')) as [Record<string, string>];
  assert.deepEqual(
    [headers[':status'], headers['sec-websocket-protocol'], headers['sec-websocket-accept']],
    [200, 'chat', undefined],
  );
  const inbound = front.exchanges[0]?.inbound;
  assert.ok(inbound);
  const { method, target, upgrade, body, headers: sent } = inbound;
  assert.deepEqual([method, target, upgrade, body], ['GET', '/chat', 'websocket', undefined]);
  assert.deepEqual(sent, ['sec-websocket-version', '13']);
  let got = 0;
  stream.on('data', (chunk: Buffer) => (got += chunk.length));
  const size = 3_000_000;
  stream.write(Buffer.alloc(size));
  await until(() => got === size, { everyMs: 5 });
  assert.equal(front.exchanges[0]?.outcome, undefined);
  stream.end();
  await once(stream, 'close');
  assert.equal(stream.rstCode, 0);
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 200, bytes: size, complete: true });
  await until(() => tunnel?.destroyed, { everyMs: 2 });
});

test('a tunnel whose backend says no is an ordinary answer', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => answer(outbound, 403, 'no') });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  const [headers] = (await once(stream, 'response')) as [Record<string, number>];
  assert.equal(headers[':status'], 403);
  stream.resume();
  await once(stream, 'close');
  assert.equal((await ask(session)).status, 403);
});

test('one side of a tunnel ends, and the other goes on', async () => {
  let got = '';
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      const tunnel = outbound.tunnel([]);
      tunnel.end('bye');
      tunnel.on('data', (chunk: Buffer) => (got += chunk.toString()));
    },
  });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  stream.setEncoding('utf8');
  let said = '';
  stream.on('data', (chunk: string) => (said += chunk));
  await once(stream, 'end');
  assert.equal(said, 'bye');
  const closed = once(stream, 'close');
  stream.end('still here');
  await until(() => got === 'still here', { everyMs: 2 });
  await closed;
  assert.equal(stream.rstCode, 0);
  assert.equal(front.exchanges[0]?.outcome?.complete, true);
});

test('a reset ends the tunnel, and a tunnel that is destroyed resets', async () => {
  const tunnels: Duplex[] = [];
  await using front = await startFront({ handle: (_inbound, outbound) => void tunnels.push(outbound.tunnel([])) });
  const session = await front.client();
  const first = session.request(connect, { endStream: false });
  first.on('error', () => undefined);
  await once(first, 'response');
  first.close(constants.NGHTTP2_CANCEL);
  await until(() => tunnels[0]?.destroyed, { everyMs: 2 });
  const second = session.request(connect, { endStream: false });
  second.on('error', () => undefined);
  await once(second, 'response');
  tunnels[1]?.destroy();
  await once(second, 'close');
  assert.equal(second.rstCode, constants.NGHTTP2_CANCEL);
  assert.deepEqual(
    front.exchanges.map(({ outcome }) => outcome?.complete),
    [false, false],
  );
});

test('a tunnel is held up by a reader that is slow, on either side', async () => {
  let tunnel: Duplex | undefined;
  await using front = await startFront({ handle: (_inbound, outbound) => void (tunnel = outbound.tunnel([])) });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  await once(stream, 'response');
  assert.ok(tunnel);
  let written = 0;
  while (tunnel.write(Buffer.alloc(16_384)) && written < 10_000_000) written += 16_384;
  assert.ok(written < 500_000, `${written} bytes taken`);
  stream.write(Buffer.alloc(5_000_000));
  // node's client has sent what the window allows when what it holds no longer shrinks.
  let before = -1;
  await until(
    () => {
      const same = stream.writableLength === before || session.state.localWindowSize === 0;
      before = stream.writableLength;
      return same;
    },
    { everyMs: 50 },
  );
  assert.ok(tunnel.readableLength <= 300_000, `${tunnel.readableLength} bytes held`);
  stream.destroy();
});

test('a tunnel has no deadline of its own while both sides are open, and no limit of bytes', async () => {
  let tunnel: Duplex | undefined;
  await using front = await startFront({
    limits: { bodyBytes: 10 },
    handle: (_inbound, outbound) => {
      tunnel = outbound.tunnel([]);
      tunnel.pipe(tunnel);
    },
  });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  await once(stream, 'response');
  front.pass(1_000_000);
  stream.write('more than ten bytes');
  const [echoed] = (await once(stream, 'data')) as [Buffer];
  assert.equal(echoed.toString(), 'more than ten bytes');
  stream.end();
  assert.ok(tunnel);
  await once(stream, 'close');
});

test('a client that does not end its side of a tunnel that we have ended is reset after bodyMs', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => void outbound.tunnel([]).resume().end() });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  stream.on('error', () => undefined);
  stream.resume();
  await once(stream, 'end');
  front.pass(59_000);
  assert.equal(stream.destroyed, false);
  const closed = once(stream, 'close');
  front.pass(2_000);
  await closed;
  assert.deepEqual([stream.rstCode, front.limits], [constants.NGHTTP2_CANCEL, ['body-time']]);
});

test('what a client sent before it ended is read, also when that takes longer than the stream lasts', async () => {
  let tunnel: Duplex | undefined;
  await using front = await startFront({ handle: (_inbound, outbound) => void (tunnel = outbound.tunnel([])) });
  const session = await front.client();
  const stream = session.request(connect, { endStream: false });
  await once(stream, 'response');
  stream.end(Buffer.alloc(60_000));
  assert.ok(tunnel);
  tunnel.end();
  stream.resume();
  await once(stream, 'close');
  let got = 0;
  await pipeline(tunnel, async (pieces: AsyncIterable<Buffer>) => {
    for await (const piece of pieces) got += piece.length;
  });
  assert.equal(got, 60_000);
});

test('only an unanswered request for a tunnel can become one', async () => {
  const problems: string[] = [];
  await using front = await startFront({
    handle: (_inbound: Inbound, outbound: Outbound) => {
      try {
        outbound.tunnel([]);
      } catch (error) {
        problems.push(String(error));
      }
      answer(outbound, 200, 'no');
    },
  });
  const session = await front.client();
  await ask(session);
  assert.equal(problems.length, 1);
  const ended = session.request(connect, { endStream: true });
  const [headers] = (await once(ended, 'response')) as [Record<string, number>];
  assert.equal(headers[':status'], 400);
  ended.resume();
  await once(ended, 'close');
});
