import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { fieldKind, type Field } from '../../../src/terminator/http2/hpack-field.ts';
import { HpackDecoder } from '../../../src/terminator/http2/hpack-decoder.ts';
import { blockBound, HpackEncoder } from '../../../src/terminator/http2/hpack-encoder.ts';

/** Fields as `name: value`; undefined: not a valid block. */
function decode(decoder: HpackDecoder, hex: string | Buffer): string[] | undefined {
  const fields: string[] = [];
  const bytes = typeof hex === 'string' ? Buffer.from(hex.replaceAll(/\s/g, ''), 'hex') : hex;
  const add = ({ name, value }: Field): void => void fields.push(`${name}: ${value}`);
  return decoder.decode(bytes, 0, bytes.length, { add }) ? fields : undefined;
}

const get = [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'];
const getSecond = [...get, 'cache-control: no-cache'];
const getThird = [
  ':method: GET',
  ':scheme: https',
  ':path: /index.html',
  ':authority: www.example.com',
  'custom-key: custom-value',
];
const dated = (second: number): string => `date: Mon, 21 Oct 2013 20:13:2${second} GMT`;
const redirect = (status: number): string[] => [
  `:status: ${status}`,
  'cache-control: private',
  dated(1),
  'location: https://www.example.com',
];
const gzipped = [
  ':status: 200',
  'cache-control: private',
  dated(2),
  'location: https://www.example.com',
  'content-encoding: gzip',
  'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
];
/** The examples of C.5 and C.6 have a table of 256 bytes. */
const small = '3fe101';

const series: Record<string, [hex: string, fields: string[]][]> = {
  'C.2.1 literal with indexing': [
    ['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key: custom-header']],
    ['be', ['custom-key: custom-header']],
  ],
  'C.2.2 literal without indexing': [['040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path']]],
  'C.2.3 literal never indexed': [['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret']]],
  'C.2.4 indexed': [['82', [':method: GET']]],
  'C.3 requests without Huffman code': [
    ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', get],
    ['8286 84be 5808 6e6f 2d63 6163 6865', getSecond],
    ['8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65', getThird],
  ],
  'C.4 requests with Huffman code': [
    ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', get],
    ['8286 84be 5886 a8eb 1064 9cbf', getSecond],
    ['8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf', getThird],
  ],
  'C.5 responses without Huffman code': [
    [
      `${small} 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120
       474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      redirect(302),
    ],
    ['4803 3330 37c1 c0bf', redirect(307)],
    [
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
       4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
       7369 6f6e 3d31`,
      gzipped,
    ],
    ['be bf c0', [gzipped[5] as string, gzipped[4] as string, gzipped[2] as string]],
  ],
  'C.6 responses with Huffman code': [
    [
      `${small} 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718
       63c7 8f0b 97c8 e9ae 82ae 43d3`,
      redirect(302),
    ],
    ['4883 640e ffc1 c0bf', redirect(307)],
    [
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
       cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      gzipped,
    ],
    ['be bf c0', [gzipped[5] as string, gzipped[4] as string, gzipped[2] as string]],
  ],
};

for (const [name, steps] of Object.entries(series)) {
  test(`RFC 7541 appendix C: ${name}`, () => {
    const decoder = new HpackDecoder();
    for (const [hex, fields] of steps) assert.deepEqual(decode(decoder, hex), fields);
  });
}

const broken: Record<string, string> = {
  'index 0': '80',
  'an index behind the tables': 'be',
  'an integer that does not end': 'ffffffffffffffff',
  'an integer that stops in the middle': 'ff',
  'a table larger than was allowed': '3fe21f 82',
  'a table size behind a field': '82 20',
  'a string longer than the block': '0003 6162',
  'a name without a value': '0001 61',
  'a length that stops in the middle': '007f',
  'Huffman code with the end of string inside': '0001 6184 ffffffff',
  'Huffman code with a byte of padding': '0001 6182 1fff',
  'Huffman code whose padding is not all ones': '0001 6181 18',
};

for (const [name, hex] of Object.entries(broken)) {
  test(`a header block is refused as a whole: ${name}`, () => {
    assert.equal(decode(new HpackDecoder(), hex), undefined);
  });
}

test('an entry larger than the table empties it and is still read', () => {
  const decoder = new HpackDecoder();
  decode(decoder, '4001 6101 62');
  assert.deepEqual(decode(decoder, 'be'), ['a: b']);
  const large = Buffer.concat([Buffer.from('40016b7fe11f', 'hex'), Buffer.alloc(4_192, 'v')]);
  assert.deepEqual(decode(decoder, large), [`k: ${'v'.repeat(4_192)}`]);
  assert.equal(decode(decoder, 'be'), undefined);
});

test('what may not stand in a message is known of a field each time it is repeated', () => {
  const decoder = new HpackDecoder();
  const kinds = (hex: string): number[] => {
    const found: number[] = [];
    const bytes = Buffer.from(hex, 'hex');
    decoder.decode(bytes, 0, bytes.length, { add: ({ kind }) => found.push(kind) });
    return found;
  };
  assert.deepEqual(kinds('4001410162'), [fieldKind.malformed], 'upper case');
  assert.deepEqual(kinds('be'), [fieldKind.malformed]);
  assert.deepEqual(kinds('400161010a'), [fieldKind.malformed], 'line feed');
  assert.deepEqual(kinds('7e0163'), [fieldKind.regular], 'the same name with a sound value');
  assert.deepEqual(kinds('400161022062'), [fieldKind.malformed], 'leading space');
  assert.deepEqual(kinds('40000162'), [fieldKind.malformed], 'no name');
  assert.deepEqual(kinds('40043a666f6f0162'), [fieldKind.malformed], 'an unknown pseudo-header field');
  assert.deepEqual(kinds('4001610362e9ff'), [fieldKind.regular], 'bytes above ASCII');
});

const name = fc.oneof(
  fc.constantFrom('content-type', 'date', 'server', 'set-cookie', 'etag', 'x-a', 'x-b', 'vary', 'content-length'),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
);
const value = fc.oneof(
  fc.constantFrom('', 'text/html', 'gzip', 'a', 'b'),
  fc.string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 60 }),
  fc.integer({ min: 0, max: 3_000 }).map((length) => 'v'.repeat(length)),
);
const dropped = /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/;

test('what the encoder writes the decoder reads, block after block, whatever the table size', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          limit: fc.option(fc.integer({ min: 0, max: 5_000 }), { freq: 5 }),
          status: fc.constantFrom(0, 100, 200, 204, 302, 418, 599),
          fields: fc.array(fc.tuple(name, value), { maxLength: 30 }),
        }),
        { maxLength: 30 },
      ),
      (blocks) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder();
        for (const { limit, status, fields } of blocks) {
          if (limit !== null) encoder.limit(limit);
          const headers = fields.flat();
          const out = Buffer.alloc(blockBound(headers));
          const end = encoder.encode(out, 0, status, headers);
          const wanted = fields.filter(([field]) => !dropped.test(field)).map(([field, text]) => `${field}: ${text}`);
          if (status !== 0) wanted.unshift(`:status: ${status}`);
          assert.deepEqual(decode(decoder, out.subarray(0, end)), wanted);
        }
      },
    ),
  );
});

test('names go out in lower case, and what repeats costs a byte', () => {
  const encoder = new HpackEncoder();
  const out = Buffer.alloc(1_000);
  const headers = ['Content-Type', 'text/html', 'X-Own', 'yes'];
  const decoder = new HpackDecoder();
  const first = encoder.encode(out, 0, 200, headers);
  assert.deepEqual(decode(decoder, out.subarray(0, first)), [':status: 200', 'content-type: text/html', 'x-own: yes']);
  assert.equal(encoder.encode(out, 0, 200, headers), 3);
});

test('no bytes make the decoder throw, and whatever they say, it keeps no more than its table', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const bytes of blocks) if (decode(decoder, Buffer.from(bytes)) === undefined) return;
      // Indexes are read up to what is there: at most 128 entries of at least 32 bytes.
      assert.equal(decode(decoder, Buffer.from([0xff, 190 - 127])), undefined);
    }),
    { numRuns: 500 },
  );
});
