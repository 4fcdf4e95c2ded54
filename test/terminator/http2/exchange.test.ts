import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import type { Socket } from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { flag, frameType } from '../../../src/terminator/http2/protocol.ts';
import { answer, type Inbound, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { until } from '../../support/until.ts';
import { answerOn, ask } from './support/ask.ts';
import { startFront } from './support/front.ts';
import { frame, request } from './support/peer.ts';

/** Reads all of the body, then answers with what `text` makes of it. */
function collect(
  inbound: Inbound,
  outbound: Outbound,
  text: (body: string, trailers: readonly string[]) => string,
): void {
  let body = '';
  const done = (trailers: readonly string[]): void => answer(outbound, 200, text(body, trailers));
  if (inbound.body === undefined) done([]);
  else inbound.body.read({ onData: (chunk) => (body += chunk.toString('latin1')), onEnd: done });
}

test('a request is shown as it came: method, target, authority, host, headers, framing', async () => {
  await using front = await startFront();
  const session = await front.client();
  await ask(session, {
    ':method': 'PUT',
    ':path': '/a?b=c',
    ':authority': 'A.test:8443',
    'x-own': 'é',
    cookie: ['a=1', 'b=2'],
  });
  await ask(session, { ':method': 'POST', 'content-length': '2' }, 'hi');
  await ask(session, { ':method': 'POST' }, 'hi');
  await ask(session, { ':method': 'POST', 'content-length': '0' }, '');
  const [first, second, third, fourth] = front.exchanges.map(({ inbound }) => inbound);
  assert.ok(first && second && third && fourth);
  const { method, target, authority, host, version, body, upgrade, connection } = first;
  assert.deepEqual(
    { method, target, authority, host, version, body, upgrade },
    {
      method: 'PUT',
      target: '/a?b=c',
      authority: 'A.test:8443',
      host: 'a.test',
      version: '2',
      body: undefined,
      upgrade: undefined,
    },
  );
  assert.equal(connection.port, 4711);
  assert.deepEqual(first.headers, ['x-own', 'é', 'cookie', 'a=1', 'cookie', 'b=2']);
  assert.deepEqual([second.body?.framing, third.body?.framing, fourth.body], ['length', 'chunked', undefined]);
});

test('answers carry status, headers and body, Date where it is missing, and nothing that belongs to a connection', async () => {
  await using front = await startFront({
    handle: ({ target }, outbound) => {
      const date = target === '/dated' ? ['Date', 'Mon, 01 Jan 2024 00:00:00 GMT'] : [];
      outbound.head(
        418,
        'ignored',
        ['X-Own', 'a', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'connection', 'close', ...date],
        true,
      );
      outbound.write(Buffer.from('short '));
      outbound.write(Buffer.from('and stout'));
      outbound.end([]);
    },
  });
  const session = await front.client();
  const { status, headers, body, rst } = await ask(session);
  assert.deepEqual(
    [status, headers['x-own'], headers['set-cookie'], body, rst],
    [418, 'a', ['a=1', 'b=2'], 'short and stout', 0],
  );
  assert.equal(headers['connection'], undefined);
  assert.ok(Math.abs(Date.parse(headers.date ?? '') - Date.now()) < 5_000);
  assert.equal((await ask(session, { ':path': '/dated' })).headers.date, 'Mon, 01 Jan 2024 00:00:00 GMT');
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 418, bytes: 15, complete: true });
});

test('an answer that may have no body has none: HEAD, 204, 304', async () => {
  await using front = await startFront({
    handle: ({ target }, outbound) => {
      outbound.head(Number(target.slice(1)), '', ['content-length', '4'], false);
      outbound.write(Buffer.from('body'));
      outbound.end(['x-trailer', 'no']);
    },
  });
  const session = await front.client();
  const head = await ask(session, { ':method': 'HEAD', ':path': '/200' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body, head.rst], [200, '4', '', 0]);
  const noContent = await ask(session, { ':path': '/204' });
  assert.deepEqual([noContent.status, noContent.headers['content-length'], noContent.body], [204, undefined, '']);
  const notModified = await ask(session, { ':path': '/304' });
  assert.deepEqual([notModified.status, notModified.headers['content-length'], notModified.body], [304, '4', '']);
  assert.ok(front.exchanges.every(({ outcome }) => outcome?.complete));
});

test('bodies go in and out at any size, however they are cut', async () => {
  await using front = await startFront({
    handle: (inbound, outbound) => collect(inbound, outbound, (body) => body),
  });
  const session = await front.client();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 200_000 })), { maxLength: 6 }),
      async (sizes) => {
        const stream = session.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
        const answered = answerOn(stream);
        let sent = '';
        for (const [i, size] of sizes.entries()) {
          const piece = String.fromCharCode(0x61 + i).repeat(size);
          sent += piece;
          stream.write(piece);
        }
        stream.end();
        const { status, body, rst } = await answered;
        assert.deepEqual([status, rst], [200, 0]);
        assert.ok(body === sent, `${body.length} bytes of ${sent.length}`);
      },
    ),
    { numRuns: 25 },
  );
});

test('header values go both ways as they are, Huffman-coded by the client or not', async () => {
  await using front = await startFront({
    handle: ({ headers }, outbound) => {
      outbound.head(200, '', headers, false);
      outbound.end([]);
    },
  });
  const session = await front.client();
  const text = fc
    .string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 200 })
    .map((value) => value.replaceAll('\x7f', '').trim());
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.stringMatching(/^x-[a-z]{1,12}$/), text, { maxKeys: 12 }), async (sent) => {
      const { headers } = await ask(session, sent);
      for (const [name, value] of Object.entries(sent)) assert.equal(headers[name], value);
    }),
    { numRuns: 60 },
  );
});

test('a header of 8 KiB, and an answer whose header section needs more than one frame', async () => {
  const long = 'v'.repeat(8_192);
  const many = Array.from({ length: 8 }, (_, i) => [`x-${i}`, `${i}${'w'.repeat(4_000)}`]);
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      outbound.head(200, '', many.flat(), false);
      outbound.end([]);
    },
  });
  const session = await front.client({ maxHeaderListPairs: 1_000, settings: { maxHeaderListSize: 100_000 } });
  const { headers } = await ask(session, { 'x-long': long });
  assert.equal(front.exchanges[0]?.inbound.headers[1], long);
  for (const [name, value] of many) assert.equal(headers[name as string], value);
  assert.equal((await ask(session)).headers['x-7'], many[7]?.[1], 'and the tables agree afterwards');
});

test('trailers go both ways, also without a body, as gRPC sends them', async () => {
  await using front = await startFront({
    handle: (inbound, outbound) => {
      if (inbound.target === '/trailers-only') {
        outbound.head(200, '', ['content-type', 'application/grpc'], false);
        outbound.end(['grpc-status', '5', 'Grpc-Message', 'no such thing']);
      } else {
        inbound.body?.read({
          onData: () => undefined,
          onEnd: (trailers) => {
            outbound.head(200, '', [], false);
            outbound.write(Buffer.from('x'));
            outbound.end(['x-got', trailers.join('=')]);
          },
        });
      }
    },
  });
  const session = await front.client();
  const only = await ask(session, { ':path': '/trailers-only', te: 'trailers' });
  assert.deepEqual([only.status, only.body, only.trailers['grpc-status']], [200, '', '5']);
  assert.equal(only.trailers['grpc-message'], 'no such thing');
  const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '4' }));
  stream.end('body');
  const { body, trailers } = await answerOn(stream);
  assert.deepEqual([body, trailers['x-got']], ['x', 'x-sum=4']);
});

test('1xx answers come before the final one, any number of them', async () => {
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      outbound.inform(100, []);
      outbound.inform(103, ['link', '</a>; rel=preload']);
      outbound.inform(101, []);
      answer(outbound, 200, 'done');
      outbound.inform(103, []);
    },
  });
  const session = await front.client();
  const stream = session.request({ ':path': '/' });
  let continued = 0;
  stream.on('continue', () => (continued += 1));
  const { status, informational } = await answerOn(stream);
  assert.deepEqual([status, continued], [200, 1]);
  const hints = informational.filter((found) => Number(found[':status']) === 103);
  assert.deepEqual(
    hints.map((found) => found['link']),
    ['</a>; rel=preload'],
  );
});

test('an answer that comes before the request has ended tells the client to stop, and the session goes on', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => answer(outbound, 200, 'early') });
  const session = await front.client();
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.write('x'.repeat(10_000));
  const { status, body, rst } = await answerOn(stream);
  assert.deepEqual([status, body, rst], [200, 'early', constants.NGHTTP2_NO_ERROR]);
  assert.equal((await ask(session)).body, 'early');
  assert.deepEqual(front.exchanges[0]?.outcome, { status: 200, bytes: 5, complete: true });
});

test('the reset behind an early answer is not in one write with it: curl 7.88 would forget the answer', async () => {
  await using front = await startFront({ handle: (_inbound, outbound) => answer(outbound, 413, 'too much') });
  const peer = await front.peer();
  const socket = front.sockets[0] as Socket;
  const writes: number[][] = [];
  const write = socket.write.bind(socket) as (chunk: Buffer, done: () => void) => boolean;
  socket.write = ((chunk: Buffer, done: () => void) => {
    writes.push(typesOf(chunk));
    return write(chunk, done);
  }) as typeof socket.write;
  peer.send(frame(frameType.headers, flag.endHeaders, 1, request({ ':method': 'POST' })));
  assert.equal(await peer.reset(1), constants.NGHTTP2_NO_ERROR);
  assert.deepEqual(writes, [[frameType.headers, frameType.data], [frameType.rstStream]]);
});

/** Types of the frames that stand in the bytes. */
function typesOf(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3] as number);
  return types;
}

test('an answer that is cut is never taken for a complete one, with a length or without', async () => {
  await using front = await startFront({
    handle: ({ target }, outbound) => {
      if (target === '/nothing') return outbound.cut();
      outbound.head(200, '', target === '/length' ? ['content-length', '100'] : [], false);
      outbound.write(Buffer.from('begin'));
      if (target === '/short') outbound.end([]);
      else setImmediate(() => outbound.cut());
    },
  });
  const session = await front.client();
  for (const path of ['/length', '/open', '/nothing']) {
    const { rst } = await ask(session, { ':path': path });
    assert.equal(rst, constants.NGHTTP2_INTERNAL_ERROR, path);
  }
  assert.deepEqual(
    front.exchanges.map(({ outcome }) => outcome),
    [
      { status: 200, bytes: 5, complete: false },
      { status: 200, bytes: 5, complete: false },
      { status: 0, bytes: 0, complete: false },
    ],
  );
});

test('an answer longer or shorter than its Content-Length is cut', async () => {
  await using front = await startFront({
    handle: ({ target }, outbound) => {
      outbound.head(200, '', ['content-length', '5'], false);
      outbound.write(Buffer.from(target === '/long' ? 'six bytes' : 'four'));
      outbound.end([]);
    },
  });
  const session = await front.client();
  for (const path of ['/long', '/short']) {
    assert.equal((await ask(session, { ':path': path })).rst, constants.NGHTTP2_INTERNAL_ERROR, path);
  }
});

test('a stream that the client resets, and a connection that it drops, show in the outcome', async () => {
  await using front = await startFront({
    handle: (_inbound, outbound) => {
      outbound.head(200, '', [], false);
      outbound.write(Buffer.from('abc'));
    },
  });
  const session = await front.client();
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => undefined);
  stream.once('data', () => stream.close(constants.NGHTTP2_CANCEL));
  const gone = { status: 200, bytes: 3, complete: false };
  assert.deepEqual(await until(() => front.exchanges[0]?.outcome, { everyMs: 2 }), gone);
  const other = session.request({ ':path': '/' });
  other.on('error', () => undefined);
  other.once('data', () => session.destroy());
  assert.deepEqual(await until(() => front.exchanges[1]?.outcome, { everyMs: 2 }), gone);
  await until(() => !front.ticking, { everyMs: 2, what: 'the timer to stop with the last connection' });
});

test('nothing of a body is delivered after its exchange is over', async () => {
  let pieces = 0;
  await using front = await startFront({
    handle: (inbound, outbound) => {
      inbound.body?.read({
        onData: () => {
          pieces += 1;
          outbound.cut();
        },
        onEnd: () => assert.fail('the body has not ended'),
      });
    },
  });
  const session = await front.client();
  const { rst } = await ask(session, { ':method': 'POST' }, Buffer.alloc(500_000));
  assert.equal(rst, constants.NGHTTP2_INTERNAL_ERROR);
  assert.equal(pieces, 1);
  await front.client();
});
