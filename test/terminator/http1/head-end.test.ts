import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { headEnd } from '../../../src/terminator/http1/head-end.ts';

test('the end of a head is the first empty line, wherever the search begins and however the bytes come', () => {
  const bytes = fc.string({ unit: fc.constantFrom('\r', '\n', '\r\n', '\r\n\r\n', 'a', '\t', 'bcd'), maxLength: 30 });
  fc.assert(
    fc.property(bytes, fc.nat(5), fc.nat(20), (text, start, searched) => {
      const expected = text.indexOf('\r\n\r\n', start);
      // What has been searched before had no end in it.
      const before = expected < 0 ? Math.min(searched, text.length) : Math.min(searched, expected + 3);
      assert.equal(headEnd(Buffer.from(text, 'latin1'), start, before), expected);
    }),
    { numRuns: 5_000 },
  );
});
