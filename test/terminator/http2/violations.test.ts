import assert from 'node:assert/strict';
import test from 'node:test';
import { errorCode, preface } from '../../../src/terminator/http2/protocol.ts';
import { block, frame, FramePeer, request, settings, uint32 } from './support/peer.ts';
import { startFront } from './support/front.ts';

const eight = Buffer.alloc(8);
const open = frame(1, 0x4, 1, request({ ':method': 'POST' }));
const whole = frame(1, 0x5, 1, request());

/** Frames behind the preface and SETTINGS, and the error code of the GOAWAY that answers them. */
const connectionErrors: Record<string, [frames: Buffer[], code: number]> = {
  'DATA on stream 0': [[frame(0, 0, 0)], errorCode.protocolError],
  'DATA on a stream that was never opened': [[frame(0, 0, 3, eight)], errorCode.protocolError],
  'DATA behind the end of a request': [[open, frame(0, 1, 1), frame(0, 0, 1, eight)], errorCode.streamClosed],
  'DATA beyond the window': [
    [open, ...Array.from({ length: 5 }, () => frame(0, 0, 1, Buffer.alloc(16_384)))],
    errorCode.flowControlError,
  ],
  'HEADERS on stream 0': [[frame(1, 0x5, 0, request())], errorCode.protocolError],
  'HEADERS on an even stream': [[frame(1, 0x5, 2, request())], errorCode.protocolError],
  'HEADERS on a stream below one already used': [
    [frame(1, 0x5, 5, request()), frame(1, 0x5, 3, request())],
    errorCode.streamClosed,
  ],
  'HEADERS behind the end of a request': [[whole, frame(1, 0x5, 1, request())], errorCode.streamClosed],
  'HEADERS with more padding than payload': [[frame(1, 0xd, 1, Buffer.of(9, 0x82))], errorCode.protocolError],
  'HEADERS too short for their priority': [[frame(1, 0x25, 1, Buffer.of(0, 0, 0))], errorCode.frameSizeError],
  'HEADERS that depend on themselves': [
    [frame(1, 0x25, 1, Buffer.concat([uint32(1), Buffer.of(16), request()]))],
    errorCode.protocolError,
  ],
  'another frame inside a header block': [
    [frame(1, 0x1, 1, request()), frame(6, 0, 0, eight)],
    errorCode.protocolError,
  ],
  'another stream’s CONTINUATION': [[frame(1, 0x1, 1, request()), frame(9, 4, 3)], errorCode.protocolError],
  'CONTINUATION without HEADERS': [[frame(9, 4, 1, request())], errorCode.protocolError],
  'a header block that is not HPACK': [
    [frame(1, 0x5, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff))],
    errorCode.compressionError,
  ],
  'PRIORITY of the wrong size': [[frame(2, 0, 1, Buffer.alloc(4))], errorCode.frameSizeError],
  'PRIORITY on stream 0': [[frame(2, 0, 0, Buffer.alloc(5))], errorCode.protocolError],
  'PRIORITY on itself': [[frame(2, 0, 1, Buffer.concat([uint32(1), Buffer.of(1)]))], errorCode.protocolError],
  'RST_STREAM on a stream that was never opened': [[frame(3, 0, 1, uint32(8))], errorCode.protocolError],
  'RST_STREAM on stream 0': [[frame(3, 0, 0, uint32(8))], errorCode.protocolError],
  'RST_STREAM of the wrong size': [[open, frame(3, 0, 1, eight)], errorCode.frameSizeError],
  'SETTINGS on a stream': [[frame(4, 0, 1)], errorCode.protocolError],
  'SETTINGS of the wrong size': [[frame(4, 0, 0, Buffer.alloc(5))], errorCode.frameSizeError],
  'an acknowledgement of SETTINGS that says something': [[frame(4, 1, 0, Buffer.alloc(6))], errorCode.frameSizeError],
  'ENABLE_PUSH 2': [[frame(4, 0, 0, settings([2, 2]))], errorCode.protocolError],
  'an initial window of 2^31': [[frame(4, 0, 0, settings([4, 2 ** 31]))], errorCode.flowControlError],
  'MAX_FRAME_SIZE 16383': [[frame(4, 0, 0, settings([5, 16_383]))], errorCode.protocolError],
  'MAX_FRAME_SIZE 2^24': [[frame(4, 0, 0, settings([5, 2 ** 24]))], errorCode.protocolError],
  'SETTINGS with hundreds of entries': [
    [frame(4, 0, 0, settings(...Array.from({ length: 300 }, (): [number, number] => [99, 1])))],
    errorCode.enhanceYourCalm,
  ],
  PUSH_PROMISE: [[open, frame(5, 4, 1, Buffer.concat([uint32(2), request()]))], errorCode.protocolError],
  'PING on a stream': [[frame(6, 0, 1, eight)], errorCode.protocolError],
  'PING of the wrong size': [[frame(6, 0, 0, Buffer.alloc(7))], errorCode.frameSizeError],
  'GOAWAY on a stream': [[frame(7, 0, 1, eight)], errorCode.protocolError],
  'GOAWAY of the wrong size': [[frame(7, 0, 0, Buffer.alloc(7))], errorCode.frameSizeError],
  'WINDOW_UPDATE of the wrong size': [[frame(8, 0, 0, Buffer.alloc(3))], errorCode.frameSizeError],
  'WINDOW_UPDATE of 0': [[frame(8, 0, 0, uint32(0))], errorCode.protocolError],
  'WINDOW_UPDATE of 0 on a stream': [[open, frame(8, 0, 1, uint32(0))], errorCode.protocolError],
  'WINDOW_UPDATE on a stream that was never opened': [[frame(8, 0, 1, uint32(1))], errorCode.protocolError],
  'a connection window beyond 2^31-1': [[frame(8, 0, 0, uint32(0x7f_ff_ff_ff))], errorCode.flowControlError],
  'an initial window that takes a stream beyond 2^31-1': [
    [open, frame(8, 0, 1, uint32(0x7f_ff_00_00)), frame(4, 0, 0, settings([4, 0x10_00_00]))],
    errorCode.flowControlError,
  ],
  'a frame of 16385 bytes': [[frame(99, 0, 0, Buffer.alloc(16_385))], errorCode.frameSizeError],
};

test('what breaks the rules for frames ends the connection with the code that RFC 9113 names', async (t) => {
  await using front = await startFront({ handle: () => undefined });
  for (const [name, [frames, code]] of Object.entries(connectionErrors)) {
    await t.test(name, async () => {
      const peer = await front.peer();
      peer.send(...frames);
      assert.equal(await peer.goneAway(), code);
      await peer.untilClosed();
    });
  }
  assert.ok(front.exchanges.every(({ outcome }) => outcome?.complete === false));
});

test('a connection has to begin with the preface and SETTINGS', async (t) => {
  await using front = await startFront();
  const starts: Record<string, Buffer> = {
    'HTTP/1.1': Buffer.from('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    'no SETTINGS': Buffer.concat([preface, whole]),
    'an acknowledgement first': Buffer.concat([preface, frame(4, 1, 0)]),
    'DATA first': Buffer.concat([preface, frame(0, 0, 1, eight)]),
  };
  for (const [name, bytes] of Object.entries(starts)) {
    await t.test(name, async () => {
      const peer = new FramePeer(await front.socket());
      peer.send(bytes);
      assert.equal(await peer.goneAway(), errorCode.protocolError);
      await peer.untilClosed();
    });
  }
});

/** A header section of stream 1, with what behind it, and the code of the RST_STREAM that answers. */
const malformed: Record<string, Buffer[]> = {
  'no :method': [
    frame(
      1,
      5,
      1,
      block([
        [':scheme', 'https'],
        [':path', '/'],
        [':authority', 'a.test'],
      ]),
    ),
  ],
  'no :scheme': [
    frame(
      1,
      5,
      1,
      block([
        [':method', 'GET'],
        [':path', '/'],
        [':authority', 'a.test'],
      ]),
    ),
  ],
  'no :path': [
    frame(
      1,
      5,
      1,
      block([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'a.test'],
      ]),
    ),
  ],
  'an empty :path': [frame(1, 5, 1, request({ ':path': '' }))],
  'a :method that is no token': [frame(1, 5, 1, request({ ':method': 'GET /' }))],
  ':status': [frame(1, 5, 1, request({ ':status': '200' }))],
  'an unknown pseudo-header field': [frame(1, 5, 1, request({ ':foo': 'bar' }))],
  'a pseudo-header field twice': [frame(1, 5, 1, Buffer.concat([request(), block([[':path', '/x']])]))],
  'a pseudo-header field behind others': [
    frame(
      1,
      5,
      1,
      block([
        [':method', 'GET'],
        [':scheme', 'https'],
        ['a', 'b'],
        [':path', '/'],
      ]),
    ),
  ],
  'an upper-case name': [frame(1, 5, 1, request({ 'X-Own': '1' }))],
  'a name with a space': [frame(1, 5, 1, request({ 'x own': '1' }))],
  'a name with a colon': [frame(1, 5, 1, request({ 'x:own': '1' }))],
  'an empty name': [frame(1, 5, 1, request({ '': '1' }))],
  'a line feed in a value': [frame(1, 5, 1, request({ 'x-own': 'a\nb: c' }))],
  'a NUL in a value': [frame(1, 5, 1, request({ 'x-own': 'a\0' }))],
  'a blank at the end of a value': [frame(1, 5, 1, request({ 'x-own': 'a ' }))],
  connection: [frame(1, 5, 1, request({ connection: 'keep-alive' }))],
  'transfer-encoding': [frame(1, 5, 1, request({ 'transfer-encoding': 'chunked' }))],
  upgrade: [frame(1, 5, 1, request({ upgrade: 'h2c' }))],
  'te other than trailers': [frame(1, 5, 1, request({ te: 'gzip' }))],
  'two Host fields': [
    frame(
      1,
      5,
      1,
      Buffer.concat([
        request(),
        block([
          ['host', 'a.test'],
          ['host', 'a.test'],
        ]),
      ]),
    ),
  ],
  'two lengths': [
    frame(
      1,
      4,
      1,
      Buffer.concat([
        request(),
        block([
          ['content-length', '1'],
          ['content-length', '1'],
        ]),
      ]),
    ),
  ],
  'a length that is no number': [frame(1, 4, 1, request({ 'content-length': '+1' }))],
  'a length with a leading zero': [frame(1, 4, 1, request({ 'content-length': '01' }))],
  'a length and no body': [frame(1, 5, 1, request({ 'content-length': '1' }))],
  'more body than announced': [frame(1, 4, 1, request({ 'content-length': '1' })), frame(0, 0, 1, eight)],
  'less body than announced': [frame(1, 4, 1, request({ 'content-length': '9' })), frame(0, 1, 1, eight)],
  'trailers that do not end the stream': [open, frame(1, 4, 1, block([['x-sum', '1']]))],
  'trailers with a pseudo-header field': [open, frame(1, 5, 1, block([[':path', '/']]))],
  ':protocol without CONNECT': [frame(1, 5, 1, request({ ':protocol': 'websocket' }))],
};

test('what is no message resets its stream, and neither it nor a part of it goes further', async (t) => {
  await using front = await startFront({
    handle: (inbound) => inbound.body?.read({ onData: () => undefined, onEnd: () => assert.fail('not complete') }),
  });
  for (const [name, frames] of Object.entries(malformed)) {
    await t.test(name, async () => {
      const peer = await front.peer();
      peer.send(...frames);
      assert.equal(await peer.reset(1), errorCode.protocolError);
      await peer.roundTrip(); // the connection goes on
    });
  }
  assert.ok(front.exchanges.every(({ outcome }) => outcome?.complete === false));
});

/** A request that is well-formed and not passed on. */
const refused: Record<string, [fields: Record<string, string>, status: number]> = {
  'Host and :authority differ': [{ host: 'b.test' }, 400],
  'a malformed host': [{ ':authority': 'a.test/x' }, 400],
  'user information in the authority': [{ ':authority': 'me@a.test' }, 400],
  'no host at all': [{ ':authority': '' }, 400],
  'a target that is no path': [{ ':path': 'x' }, 400],
  'a target with a space': [{ ':path': '/x y' }, 400],
  'a target with a fragment': [{ ':path': '/x#y' }, 400],
  '* for GET': [{ ':path': '*' }, 400],
  'a very long method': [{ ':method': 'A'.repeat(41) }, 501],
  CONNECT: [{ ':method': 'CONNECT' }, 501],
  'an unknown protocol': [{ ':method': 'CONNECT', ':protocol': 'masque' }, 501],
};

test('a request that two readers could understand differently is answered, not passed on', async (t) => {
  await using front = await startFront();
  for (const [name, [fields, status]] of Object.entries(refused)) {
    await t.test(name, async () => {
      const peer = await front.peer();
      peer.send(frame(1, 5, 1, request(fields)));
      assert.equal(await peer.status(1), status);
      await peer.ended(1);
      assert.match(peer.body(1), new RegExp(`^${status} `));
      assert.equal(front.refused.at(-1), status);
    });
  }
  assert.equal(front.exchanges.length, 0);
});

test('OPTIONS * is passed on, and a Host field serves where :authority is missing', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  peer.send(
    frame(1, 5, 1, request({ ':method': 'OPTIONS', ':path': '*' })),
    frame(
      1,
      5,
      3,
      block([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':path', '/'],
        ['host', 'B.test:1'],
      ]),
    ),
  );
  await peer.ended(3);
  assert.deepEqual(
    front.exchanges.map(({ inbound }) => [inbound.method, inbound.target, inbound.authority, inbound.host]),
    [
      ['OPTIONS', '*', 'a.test', 'a.test'],
      ['GET', '/', 'B.test:1', 'b.test'],
    ],
  );
});

test('unknown frames and settings, and frames on streams that have ended, are overlooked', async () => {
  await using front = await startFront();
  const peer = await front.peer();
  peer.send(frame(0xbe, 0xff, 0, eight), frame(0xbe, 0, 7, eight), frame(4, 0, 0, settings([0xff, 1])), whole);
  await peer.ended(1);
  peer.send(frame(8, 0, 1, uint32(5)), frame(3, 0, 1, uint32(8)), frame(2, 0, 1, Buffer.of(0, 0, 0, 3, 1)));
  await peer.roundTrip();
});

test('what crosses a reset of ours is no error, and header blocks in it still count', async () => {
  await using front = await startFront({
    handle: (inbound, outbound) => (inbound.method === 'POST' ? outbound.cut() : outbound.head(204, '', [], false)),
  });
  const peer = await front.peer();
  const kept = Buffer.concat([Buffer.of(0x40), block([['x-kept', 'yes']]).subarray(1)]); // with indexing
  peer.send(open);
  await peer.reset(1);
  peer.send(frame(0, 0, 1, eight), frame(1, 5, 1, kept), frame(1, 5, 3, Buffer.concat([request(), Buffer.of(0xbe)])));
  await peer.status(3);
  assert.deepEqual(front.exchanges[1]?.inbound.headers, ['x-kept', 'yes']);
});
