import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Loan } from '../../../../src/terminator/upstream/http1/read-buffer.ts';
import { BadResponse } from '../../../../src/terminator/upstream/http1/response-head.ts';
import { ResponseParser } from '../../../../src/terminator/upstream/http1/response-parser.ts';

interface Seen {
  statuses: number[];
  informational: number[];
  headers: readonly string[];
  body: string;
  trailers: readonly string[] | undefined;
  keepAlive: boolean | undefined;
  upgraded: string | undefined;
  /** Bytes behind the response. */
  surplus: number;
  parser: ResponseParser;
}

function parse(pieces: readonly (string | Buffer)[], method = 'GET', upgradable = false, owned = true): Seen {
  const seen: Omit<Seen, 'parser'> = {
    statuses: [],
    informational: [],
    headers: [],
    body: '',
    trailers: undefined,
    keepAlive: undefined,
    upgraded: undefined,
    surplus: 0,
  };
  const parser = new ResponseParser({
    onInformational: ({ status }) => seen.informational.push(status),
    onHead: (head) => {
      seen.statuses.push(head.status);
      seen.headers = head.headers;
      seen.keepAlive = head.keepAlive;
    },
    onData: (chunk) => (seen.body += chunk.toString('latin1')),
    onEnd: (trailers) => (seen.trailers = trailers),
    onUpgrade: (_head, rest) => (seen.upgraded = rest.toString('latin1')),
  });
  parser.begin(method, upgradable);
  for (const piece of pieces) {
    const buffer = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
    seen.surplus += parser.push(buffer, buffer.length, owned ? new Loan(undefined) : undefined);
    if (!owned) buffer.fill(0x58); // as the next read would
  }
  return { ...seen, parser };
}

const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n';

test('a response ends exactly on its Content-Length, and what follows is not taken', () => {
  const seen = parse(['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n']);
  assert.equal(seen.body, 'hello');
  assert.deepEqual(seen.trailers, []);
  assert.equal(seen.surplus, 'HTTP/1.1 200 OK\r\n'.length);
});

test('never (§5.13): a Content-Length that comes twice, or with leading zeros, is passed on once and in plain digits', () => {
  for (const text of ['Content-Length: 5\r\ncontent-length: 5\r\n', 'Content-Length: 005\r\nContent-Length: 05\r\n']) {
    const seen = parse([`HTTP/1.1 200 OK\r\nX-A: b\r\n${text}\r\nhello`]);
    assert.deepEqual(seen.headers, ['X-A', 'b', 'Content-Length', '5']);
    assert.equal(seen.body, 'hello');
  }
  assert.deepEqual(parse(['HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n']).headers, ['Content-Length', '0']);
});

test('a chunked response is decoded, with its trailers, however it is cut into pieces', () => {
  const text = `${chunked}5\r\nhello\r\n6;name="x"\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n`;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: text.length }), { maxLength: 12 }), (cuts) => {
      const points = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const pieces = points.slice(1).map((end, i) => text.slice(points[i], end));
      const seen = parse(pieces.filter((piece) => piece !== ''));
      assert.equal(seen.body, 'hello world');
      assert.deepEqual(seen.trailers, ['X-Sum', '11']);
      assert.equal(seen.surplus, 0);
    }),
  );
});

test('any body survives chunking of any kind', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }), (parts) => {
      const encoded = parts.map((part) =>
        Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
      );
      const seen = parse([chunked, ...encoded, '0\r\n\r\n']);
      assert.equal(seen.body, Buffer.concat(parts).toString('latin1'));
      assert.deepEqual(seen.trailers, []);
    }),
  );
});

test('no bytes at all make the parser do anything but parse or refuse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, asBody) => {
      try {
        parse([asBody ? chunked : '', Buffer.from(bytes)].filter((piece) => piece.length > 0));
      } catch (error) {
        assert.ok(error instanceof BadResponse, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('without any length the body ends with the connection, and the connection is not kept', () => {
  const { parser, body, trailers } = parse(['HTTP/1.1 200 OK\r\n\r\nab', 'cd']);
  assert.equal(body, 'abcd');
  assert.equal(trailers, undefined);
  assert.equal(parser.close(), true);
  const cut = parse(['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab']);
  assert.equal(cut.parser.close(), false);
});

test('HEAD, 204 and 304 have no body, whatever they announce', () => {
  for (const [status, method] of [
    ['200 OK', 'HEAD'],
    ['204 No Content', 'GET'],
    ['304 Not Modified', 'GET'],
  ] as const) {
    const seen = parse([`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`], method);
    assert.deepEqual(seen.trailers, [], status);
  }
});

test('informational answers come before the final one', () => {
  const seen = parse([
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n',
  ]);
  assert.deepEqual(seen.informational, [100, 103]);
  assert.deepEqual(seen.statuses, [204]);
  assert.throws(() => parse(['HTTP/1.1 100 C\r\n\r\n'.repeat(30)]), BadResponse);
});

test('a protocol switch is taken only where it was asked for', () => {
  const text = 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nframes';
  assert.equal(parse([text], 'GET', true).upgraded, 'frames');
  assert.throws(() => parse([text]), BadResponse);
});

test('keep-alive is what the version and the Connection header say', () => {
  assert.equal(parse(['HTTP/1.1 204 x\r\n\r\n']).keepAlive, true);
  assert.equal(parse(['HTTP/1.1 204 x\r\nConnection: Close\r\n\r\n']).keepAlive, false);
  assert.equal(parse(['HTTP/1.0 204 x\r\nConnection: keep-alive\r\n\r\n']).keepAlive, false);
});

test('what HTTP leaves open to two readings is refused', () => {
  const heads = {
    'both lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'different Content-Lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
    'a list of Content-Lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n',
    'a signed Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n',
    'another transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'chunked in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'a folded header': 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n',
    'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n',
    'a bare line feed': 'HTTP/1.1 200 OK\nX-A: b\r\n\r\n',
    'a bare line feed in a value': 'HTTP/1.1 200 OK\r\nX-A: b\nX-C: d\r\n\r\n',
    'a bare carriage return': 'HTTP/1.1 200 OK\r\nX-A: b\rc\r\n\r\n',
    'a zero byte': 'HTTP/1.1 200 OK\r\nX-A: b\0\r\n\r\n',
    'no status line': 'hello\r\n\r\n',
    'HTTP/2 in HTTP/1': 'HTTP/2.0 200 OK\r\n\r\n',
    'a head without end': `HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(70_000)}`,
  };
  for (const [what, head] of Object.entries(heads)) assert.throws(() => parse([head]), BadResponse, what);
  const bodies = {
    'a negative chunk size': '-1\r\n',
    'a prefixed chunk size': '0x5\r\nhello\r\n',
    'a line feed after the size': '5\nhello\r\n',
    'a chunk longer than it says': '5\r\nhelloworld\r\n',
    'a size line without end': `5;${'x'.repeat(2000)}`,
    'a malformed trailer': '0\r\nno colon\r\n\r\n',
  };
  for (const [what, body] of Object.entries(bodies)) assert.throws(() => parse([chunked, body]), BadResponse, what);
});

test('what is passed on stays as it was when the memory it was read into is used again', () => {
  const head = 'HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 11\r\n\r\n';
  const texts = [
    `${head}hello world`,
    `HTTP/1.1 103 Early\r\nLink: x\r\n\r\n${chunked}5\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n`,
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 8 }),
      (text, cuts) => {
        const points = [0, ...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length];
        const pieces = points.slice(1).map((end, i) => text.slice(points[i], end));
        const seen = parse(
          pieces.filter((piece) => piece !== ''),
          'GET',
          false,
          false,
        );
        assert.equal(seen.body, 'hello world');
        assert.deepEqual(seen.headers.slice(-2 * 2).includes('b'), true);
      },
    ),
  );
});

test('one parser reads one response after the other', () => {
  const statuses: number[] = [];
  const parser = new ResponseParser({
    onInformational: () => undefined,
    onHead: ({ status }) => statuses.push(status),
    onData: () => undefined,
    onEnd: () => undefined,
    onUpgrade: () => undefined,
  });
  for (const [method, text] of [
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'],
    ['HEAD', 'HTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\n'],
    ['GET', `${chunked}0\r\n\r\n`],
    ['GET', 'HTTP/1.1 204 OK\r\n\r\n'],
  ] as const) {
    parser.begin(method, false);
    const bytes = Buffer.from(text);
    assert.equal(parser.push(bytes, bytes.length, undefined), 0);
    assert.equal(parser.done, true);
  }
  assert.deepEqual(statuses, [200, 201, 200, 204]);
});

const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/);
const value = fc.stringMatching(/^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e\x80-\xff])?)?$/);

test('any header section that HTTP allows is read as it was written', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 599 }).filter((status) => ![204, 205, 304].includes(status)),
      fc.array(fc.tuple(token, fc.constantFrom('', ' ', '\t '), value, fc.constantFrom('', ' ')), { maxLength: 12 }),
      (status, fields) => {
        const known = /^(?:content-length|transfer-encoding|connection|keep-alive)$/i;
        const plain = fields.filter(([name]) => !known.test(name));
        const text = plain.map(([name, before, content, after]) => `${name}:${before}${content}${after}\r\n`).join('');
        const seen = parse([`HTTP/1.1 ${status} some words\r\n${text}Content-Length: 0\r\n\r\n`]);
        assert.deepEqual(seen.statuses, [status]);
        assert.deepEqual(
          seen.headers.slice(0, -2),
          plain.flatMap(([name, , content]) => [name, content]),
        );
      },
    ),
  );
});
