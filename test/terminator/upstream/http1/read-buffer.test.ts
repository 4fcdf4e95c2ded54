import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ReadBuffer, type Loan } from '../../../../src/terminator/upstream/http1/read-buffer.ts';

/** A connection whose reads the test makes up: what it passes on has to stay as it was until it is given back. */
class Reader {
  readonly reading = new ReadBuffer(this);
  expected = 0;
  #serial = 0;
  /** What was passed on and not given back, with what has to be in it. */
  readonly out: { readonly chunk: Buffer; readonly value: number; readonly release: (() => void) | undefined }[] = [];

  /** As the event loop does it: into the buffer asked for last. */
  read(length: number): void {
    const buffer = this.reading.buffer();
    this.#serial += 1;
    buffer.fill(this.#serial & 0xff, 0, length);
    this.reading.callback(length, buffer);
  }

  onRead(data: Buffer, length: number, loan: Loan | undefined): void {
    const value = this.#serial & 0xff;
    if (loan === undefined) this.out.push({ chunk: Buffer.from(data.subarray(0, length)), value, release: undefined });
    else {
      const half = length >> 1;
      this.out.push({ chunk: data.subarray(0, half), value, release: loan.part() });
      this.out.push({ chunk: data.subarray(half, length), value, release: loan.part() });
    }
  }

  check(): void {
    for (const { chunk, value } of this.out)
      assert.ok(
        chunk.every((byte) => byte === value),
        'overwritten',
      );
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    reader: fc.nat(2),
    length: fc.constantFrom(10, 5_000, 16_384, 40_000, 65_536),
  }),
  fc.record({
    kind: fc.constant('expect' as const),
    reader: fc.nat(2),
    expected: fc.constantFrom(0, 100, 1_000_000, Infinity),
  }),
  fc.record({ kind: fc.constant('release' as const), reader: fc.nat(2), which: fc.nat(20), twice: fc.boolean() }),
);

test('never (§5.13): a buffer is read into again while somebody still holds a part of it, even if another part is given back twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const readers = [new Reader(), new Reader(), new Reader()];
      for (const one of steps) {
        const reader = readers[one.reader] as Reader;
        if (one.kind === 'expect') reader.expected = one.expected;
        else if (one.kind === 'read') reader.read(one.length);
        else if (reader.out.length > 0) {
          const [taken] = reader.out.splice(one.which % reader.out.length, 1);
          taken?.release?.();
          if (one.twice) taken?.release?.();
        }
        for (const each of readers) each.check();
      }
    }),
    { numRuns: 300 },
  );
});

test('memory that is given back is used again; idle connections share one buffer', () => {
  const [one, other] = [new Reader(), new Reader()];
  assert.equal(one.reading.buffer(), other.reading.buffer());
  one.expected = 1_000_000;
  one.read(65_536);
  const [first, second] = one.out.splice(0);
  first?.release?.();
  assert.notEqual(one.reading.buffer().buffer, first?.chunk.buffer);
  second?.release?.();
  other.expected = 1_000_000;
  assert.equal(other.reading.buffer().buffer, first?.chunk.buffer);
});
