import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  DerError,
  readDer,
  readOid,
  readTime,
  tags,
  writeDer,
  type Der,
} from '../../../../src/terminator/intake/ocsp/der.ts';

interface Tree {
  readonly tag: number;
  readonly parts: readonly Tree[] | Buffer;
}

const leaf = fc.record({
  tag: fc.constantFrom(2, 3, 4, 6, 0x0a, 0x18, 0x80, 0x82),
  parts: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
});
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.record({ tag: fc.constantFrom(0x30, 0x31, 0xa0), parts: fc.array(tie('tree'), { maxLength: 6 }) }),
  ),
}));

function write({ tag, parts }: Tree): Buffer {
  return Buffer.isBuffer(parts) ? writeDer(tag, parts) : writeDer(tag, ...parts.map(write));
}

function assertSame(found: Der, { tag, parts }: Tree): void {
  assert.equal(found.tag, tag);
  if (Buffer.isBuffer(parts)) assert.deepEqual(found.content, parts);
  else {
    const children = readDer(found.content);
    assert.equal(children.length, parts.length);
    for (const [i, child] of children.entries()) assertSame(child, parts[i] as Tree);
  }
}

test('what is written is read again, whatever its shape and size', () => {
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 4 }), (trees) => {
      const found = readDer(Buffer.concat(trees.map(write)));
      assert.equal(found.length, trees.length);
      for (const [i, one] of found.entries()) assertSame(one, trees[i] as Tree);
    }),
  );
  const large = Buffer.alloc(70_000, 7);
  assert.deepEqual(readDer(writeDer(4, large))[0]?.content, large);
});

test('whatever the bytes are, they are read whole or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const found = readDer(Buffer.from(bytes));
        assert.deepEqual(Buffer.concat(found.map(({ whole }) => whole)), Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof DerError);
      }
    }),
    { numRuns: 2_000 },
  );
  for (const hex of [
    '30',
    '3080',
    '30800000',
    '308101',
    '30810100',
    '3082007f',
    '30850000000001',
    '1f8101',
    '0403aa',
  ]) {
    assert.throws(() => readDer(Buffer.from(hex, 'hex')), DerError, hex);
  }
  assert.throws(() => readDer(Buffer.alloc(30_000)), /too many/);
});

function element(tag: number, content: Buffer): Der {
  return { tag, whole: content, content };
}

function time(text: string): number {
  return readTime(element(tags.generalizedTime, Buffer.from(text, 'latin1')));
}

function short(text: string): number {
  return readTime(element(tags.utcTime, Buffer.from(text, 'latin1')));
}

function oid(hex: string): string {
  return readOid(element(tags.oid, Buffer.from(hex, 'hex')));
}

test('times and object identifiers have the one form that the standards allow', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('1970-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }), (date) => {
      const at = Math.floor(date.getTime() / 1_000) * 1_000;
      const text = new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
      assert.equal(time(text), at);
    }),
  );
  for (const text of [
    '20260231000000Z',
    '20260101240000Z',
    '20260101000060Z',
    '20260101000000',
    '20260101000000.5Z',
    '20260101000000+0100',
    '',
  ])
    assert.throws(() => time(text), DerError, text);
  assert.equal(short('491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(short('500101000000Z'), Date.UTC(1950, 0, 1));
  assert.throws(() => short('20260101000000Z'), DerError);
  assert.equal(oid('2b0601050507300101'), '1.3.6.1.5.5.7.48.1.1');
  assert.equal(oid('550403'), '2.5.4.3');
  assert.equal(oid('883703'), '2.999.3');
  assert.throws(() => oid(''), DerError);
  assert.throws(() => oid('2b86'), DerError);
});
