import assert from 'node:assert/strict';
import test from 'node:test';
import { answer, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { chunkedPost, get, held, post, sinkOf } from './held.ts';
import { feed } from './served.ts';

test('a body waits until somebody wants it, stops when told to, and goes on', async () => {
  for (const [head, ...parts] of [
    [post(10), '0123', '456789'],
    [chunkedPost, '4\r\n0123\r\n', '6\r\n456789\r\n', '0\r\n\r\n'],
  ] as const) {
    const { exchanges, socket } = held();
    await feed(socket, [head, parts[0]]);
    const { inbound, outbound } = exchanges[0] as (typeof exchanges)[0];
    const sink = sinkOf();
    inbound.body?.read({
      ...sink,
      onData: (chunk) => {
        sink.onData(chunk);
        if (sink.text === '0123') inbound.body?.pause();
      },
      onEnd: () => (sink.ended = true),
    });
    assert.ok(socket.isPaused());
    await feed(socket, [...parts.slice(1), get]);
    assert.deepEqual([sink.text, sink.ended], ['0123', false]);
    inbound.body?.resume();
    await feed(socket, []);
    assert.deepEqual([sink.text, sink.ended], ['0123456789', true]);
    answer(outbound, 200, 'ok\n');
    assert.equal(exchanges.length, 2);
  }
});

test('chunks that come together are passed on together', async () => {
  const { exchanges, socket } = held();
  await feed(socket, [chunkedPost]);
  const pieces: number[] = [];
  exchanges[0]?.inbound.body?.read({ onData: (chunk) => pieces.push(chunk.length), onEnd: () => undefined });
  await feed(socket, ['1\r\nx\r\n'.repeat(5_000)]);
  assert.deepEqual(pieces, [5_000]);
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
  const endless = await discard([chunkedPost, ...Array.from({ length: 8 }, () => chunk), `0\r\n\r\n${get}`]);
  assert.equal(endless.served, 1);
  assert.ok(endless.socket.writableEnded);
  assert.equal(endless.socket.sent.split('HTTP/1.1').length, 2, 'what is left of the body is not read as a request');
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
