import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FrameReader, type FrameHead } from '../../../src/terminator/http2/frame-reader.ts';
import { errorCode, preface } from '../../../src/terminator/http2/protocol.ts';
import { frame } from './support/peer.ts';

function said({ type, flags, id, length }: FrameHead): string {
  return `${type}/${flags}/${id}/${length}`;
}

/** What a reader makes of pieces, one line for each frame. */
function read(pieces: readonly Buffer[]): string[] {
  const seen: string[] = [];
  let data = Buffer.alloc(0);
  let head = '';
  const reader = new FrameReader({
    onFrame: (found, bytes, from, to) => seen.push(`${said(found)} ${bytes.toString('hex', from, to)}`),
    onDataStart: (found) => {
      head = said(found);
      data = Buffer.alloc(0);
    },
    onDataPiece: (piece) => {
      assert.ok(piece.length > 0);
      data = Buffer.concat([data, piece]);
    },
    onDataEnd: () => seen.push(`${head} ${data.toString('hex')}`),
    onUnreadable: (code) => seen.push(`error ${code}`),
  });
  for (const piece of pieces) reader.read(piece);
  return seen;
}

/** The same bytes cut at those places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  // Copies that are overwritten afterwards would show whoever keeps what was only lent.
  return at.slice(1).map((end, i) => Buffer.from(bytes.subarray(at[i], end)));
}

const data = fc
  .record({ id: fc.integer({ min: 0, max: 9 }), bytes: fc.uint8Array({ maxLength: 60 }), end: fc.boolean() })
  .map(({ id, bytes, end }) => ({ wire: frame(0, end ? 1 : 0, id, bytes), line: lineOf(0, end ? 1 : 0, id, bytes) }));
const padded = fc
  .record({ bytes: fc.uint8Array({ maxLength: 40 }), padding: fc.uint8Array({ maxLength: 40 }) })
  .map(({ bytes, padding }) => {
    const payload = Buffer.concat([Buffer.of(padding.length), bytes, padding]);
    return { wire: frame(0, 8, 1, payload), line: `0/8/1/${payload.length} ${Buffer.from(bytes).toString('hex')}` };
  });
const other = fc
  .record({
    type: fc.integer({ min: 1, max: 255 }),
    flags: fc.integer({ min: 0, max: 255 }),
    id: fc.integer({ min: 0, max: 0x7f_ff_ff_ff }),
    bytes: fc.uint8Array({ maxLength: 60 }),
  })
  .map(({ type, flags, id, bytes }) => ({
    wire: frame(type, flags, id, bytes),
    line: lineOf(type, flags, id, bytes),
  }));

function lineOf(type: number, flags: number, id: number, bytes: Uint8Array): string {
  return `${type}/${flags}/${id}/${bytes.length} ${Buffer.from(bytes).toString('hex')}`;
}

test('frames are the same however their bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(data, padded, other), { maxLength: 12 }),
      fc.array(fc.nat(2_000), { maxLength: 40 }),
      (frames, places) => {
        const wire = Buffer.concat([preface, ...frames.map((one) => one.wire)]);
        assert.deepEqual(
          read(cut(wire, places)),
          frames.map(({ line }) => line),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('the reserved bit of a stream number is ignored', () => {
  const bytes = frame(6, 0, 0, Buffer.alloc(8));
  bytes.writeUInt32BE(0x80_00_00_05, 5);
  assert.deepEqual(read([preface, bytes]), ['6/0/5/8 0000000000000000']);
});

const unreadable: Record<string, [bytes: Buffer, code: number]> = {
  'another protocol': [Buffer.from('GET / HTTP/1.1\r\n\r\n'), errorCode.protocolError],
  'a preface that ends wrong': [Buffer.concat([preface.subarray(0, 23), Buffer.of(0)]), errorCode.protocolError],
  'a frame larger than allowed': [
    Buffer.concat([preface, frame(0, 0, 1, Buffer.alloc(16_385))]),
    errorCode.frameSizeError,
  ],
  'more padding than payload': [Buffer.concat([preface, frame(0, 8, 1, Buffer.of(3, 0, 0))]), errorCode.protocolError],
  'padding without a length': [Buffer.concat([preface, frame(0, 8, 1)]), errorCode.frameSizeError],
};

for (const [name, [bytes, code]] of Object.entries(unreadable)) {
  test(`nothing is read behind ${name}`, () => {
    const more = frame(6, 0, 0, Buffer.alloc(8));
    assert.deepEqual(read([bytes, more]), [`error ${code}`]);
    assert.deepEqual(
      read([
        ...cut(
          Buffer.concat([bytes, more]),
          Array.from({ length: 60 }, (_, i) => i),
        ),
      ]),
      [`error ${code}`],
    );
  });
}

test('no bytes make the reader throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 10 }), (pieces) => {
      read([preface, ...pieces.map((piece) => Buffer.from(piece))]);
    }),
    { numRuns: 300 },
  );
});
