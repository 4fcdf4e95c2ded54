import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { HeldPieces } from '../../../src/terminator/http2/held-pieces.ts';
import { Http2Body } from '../../../src/terminator/http2/request-body.ts';

test('a body comes out whole and in order, and every byte of it is given back, however frames are cut and held up', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 1, max: 400 }).map((bytes) => ({ bytes })) },
    { weight: 1, arbitrary: fc.integer({ min: 2_000, max: 9_000 }).map((bytes) => ({ bytes })) },
    fc.constantFrom('read end', 'pause', 'resume', 'read'),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(fc.boolean(), { maxLength: 60 }), (steps, pauses) => {
      let taken = 0;
      let got = '';
      let ended = false;
      let calls = 0;
      const body = new Http2Body({ now: 0, onTaken: (_body, bytes) => (taken += bytes) }, 1, {
        expected: undefined,
        most: Infinity,
      });
      const sink = {
        onData: (chunk: Buffer) => {
          assert.ok(chunk.length > 0);
          got += chunk.toString('latin1');
          if (pauses[(calls += 1)] === true) body.pause();
        },
        onEnd: () => (ended = true),
      };
      let sent = '';
      // One read from the socket: frame headers of 9 bytes between the data.
      let chunk = Buffer.alloc(70_000, '#');
      let at = 0;
      for (const one of steps) {
        if (one === 'read') body.read(sink);
        else if (one === 'pause') body.pause();
        else if (one === 'resume') body.resume();
        else if (one === 'read end') {
          body.settle();
          chunk = Buffer.alloc(70_000, '#');
          at = 0;
        } else if (at + 9 + one.bytes <= chunk.length) {
          at += 9;
          const piece = chunk.subarray(at, at + one.bytes);
          piece.write(String.fromCharCode(0x61 + (sent.length % 26)).repeat(one.bytes), 'latin1');
          sent += piece.toString('latin1');
          at += one.bytes;
          assert.ok(body.take(piece));
        }
      }
      body.settle();
      assert.ok(sent.startsWith(got));
      assert.ok(body.end([]));
      body.read(sink);
      for (let i = 0; i < 100; i += 1) body.resume();
      assert.ok(ended);
      assert.ok(got === sent, `${got.length} bytes of ${sent.length}`);
      assert.equal(taken, sent.length);
    }),
    { numRuns: 500 },
  );
});

test('what is thrown away is given back, too', () => {
  for (const away of ['discard', 'abandon'] as const) {
    let taken = 0;
    const body = new Http2Body({ now: 0, onTaken: (_body, bytes) => (taken += bytes) }, 1, {
      expected: undefined,
      most: Infinity,
    });
    body.take(Buffer.alloc(100));
    body[away]();
    assert.equal(taken, 100);
    body.take(Buffer.alloc(5_000));
    assert.equal(taken, 5_100);
    body.read({ onData: () => assert.fail('nobody wants it'), onEnd: () => assert.fail('nobody wants it') });
    assert.ok(body.end([]));
  }
});

test('small pieces that wait do not keep alive what came with them', () => {
  const held = new HeldPieces();
  const read = Buffer.alloc(1_000_000, 'x');
  for (let i = 0; i < 10_000; i += 1) held.add(read.subarray(i, i + 1));
  const buffers = new Set<ArrayBufferLike>();
  let bytes = 0;
  for (let piece = held.shift(); piece !== undefined; piece = held.shift()) {
    buffers.add(piece.buffer);
    bytes += piece.length;
  }
  assert.equal(bytes, 10_000);
  assert.equal(held.bytes, 0);
  assert.ok(!buffers.has(read.buffer));
  assert.ok(buffers.size <= 2);
});
