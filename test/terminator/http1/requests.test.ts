import assert from 'node:assert/strict';
import test from 'node:test';
import { connectTo, feed, front, type FrontOptions } from './served.ts';

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = 'POST / HTTP/1.1\r\nHost: a.test\r\n';

/** What one client gets that sends this and nothing more. */
async function exchange(text: string, options?: FrontOptions) {
  const served = front(options);
  const socket = connectTo(served);
  await feed(socket, [text]);
  const statuses = [...socket.sent.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  return { ...served, socket, sent: socket.sent, statuses };
}

test('a request is read with everything it says, and the values come without the whitespace around them', async () => {
  const text =
    'PATCH /a%20b?c=d%00{|}&\xe9 HTTP/1.1\r\nHost: A.test.:8443\r\nX-A:one\r\nx-a: \t two words \t\r\nX-Empty:\r\nX-B: \xfc\r\n\r\n';
  const { seen, statuses } = await exchange(text);
  assert.deepEqual(statuses, [200]);
  assert.deepEqual(seen, [
    {
      method: 'PATCH',
      target: '/a%20b?c=d%00{|}&\xe9',
      authority: 'A.test.:8443',
      host: 'a.test',
      version: '1.1',
      headers: ['Host', 'A.test.:8443', 'X-A', 'one', 'x-a', 'two words', 'X-Empty', '', 'X-B', '\xfc'],
      framing: 'none',
      upgrade: undefined,
      body: '',
      trailers: [],
      complete: true,
    },
  ]);
});

async function targets(line: string): Promise<string[]> {
  const { seen, statuses } = await exchange(`${line} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  assert.deepEqual(statuses, [200], line);
  return seen.flatMap(({ target, authority, host }) => [target, authority, host]);
}

test('a target may be absolute, or an asterisk for OPTIONS; the authority in it counts', async () => {
  assert.deepEqual(await targets('OPTIONS *'), ['*', 'a.test', 'a.test']);
  assert.deepEqual(await targets('GET http://b.test:81/x?y'), ['/x?y', 'b.test:81', 'b.test']);
  assert.deepEqual(await targets('GET HTTPS://B.test?y'), ['/?y', 'B.test', 'b.test']);
  assert.deepEqual(await targets('GET http://[::1]:80/'), ['/', '[::1]:80', '::1']);
  assert.deepEqual(await targets('OPTIONS http://b.test'), ['*', 'b.test', 'b.test']);
});

test('HTTP/1.0 needs no Host and ends after its answer unless it asks not to', async () => {
  const bare = await exchange('GET / HTTP/1.0\r\n\r\n');
  assert.match(bare.sent, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n\r\nok\n$/);
  assert.ok(bare.socket.writableEnded);
  assert.equal(bare.seen[0]?.host, '');
  const kept = await exchange('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'.repeat(2));
  assert.equal(kept.sent.split('Connection: keep-alive\r\n').length, 3);
  assert.equal(kept.socket.writableEnded, false);
});

test('one empty line before a request is overlooked, and only one', async () => {
  const { statuses } = await exchange(`\r\n${post}Content-Length: 1\r\n\r\nx\r\n${get}\r\n${get}`);
  assert.deepEqual(statuses, [200, 200, 200]);
  assert.deepEqual((await exchange(`\r\n\r\n${get}`)).statuses, [400]);
});

test('bodies arrive whole: by length, in chunks with extensions and trailers, or not at all', async () => {
  const { seen, statuses } = await exchange(
    `${post}Content-Length: 5\r\n\r\nhello${post}Transfer-Encoding: Chunked\r\n\r\n` +
      `5;a=b;c="d"\r\nhello\r\n00A ; x\r\n, good day\r\n0;last\r\nX-Sum: 15\r\nx-b:\r\n\r\n` +
      `${post}Content-Length: 0\r\n\r\n${get}`,
  );
  assert.deepEqual(statuses, [200, 200, 200, 200]);
  assert.deepEqual(
    seen.map(({ framing, body, trailers, complete }) => ({ framing, body, trailers, complete })),
    [
      { framing: 'length', body: 'hello', trailers: [], complete: true },
      { framing: 'chunked', body: 'hello, good day', trailers: ['X-Sum', '15', 'x-b', ''], complete: true },
      { framing: 'none', body: '', trailers: [], complete: true },
      { framing: 'none', body: '', trailers: [], complete: true },
    ],
  );
});

const malformed: Record<string, readonly [text: string, status: number, reason: string]> = {
  'a bare line feed': ['GET / HTTP/1.1\nHost: a.test\n\n', 400, 'a line does not end in CRLF'],
  'a bare line feed behind a name': ['GET / HTTP/1.1\r\nHost\n: a.test\r\n\r\n', 400, 'a line does not end in CRLF'],
  'a bare line feed behind a value': [
    'GET / HTTP/1.1\r\nHost: a.test\nX: y\r\n\r\n',
    400,
    'a line does not end in CRLF',
  ],
  'a bare carriage return in a value': ['GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n', 400, 'a carriage return stands alone'],
  'a bare carriage return for a line': ['GET / HTTP/1.1\r\n\rHost: a\r\n\r\n', 400, 'a carriage return stands alone'],
  'a NUL in a value': [
    'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n',
    400,
    'a control character in a header value',
  ],
  'a DEL in a value': [
    'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\x7fb\r\n\r\n',
    400,
    'a control character in a header value',
  ],
  'a folded line': [
    'GET / HTTP/1.1\r\nHost: a.test\r\nX: a\r\n b\r\n\r\n',
    400,
    'whitespace before a colon, or a folded header line',
  ],
  'a folded first line': [
    'GET / HTTP/1.1\r\n Host: a.test\r\n\r\n',
    400,
    'whitespace before a colon, or a folded header line',
  ],
  'whitespace before a colon': [
    'GET / HTTP/1.1\r\nHost : a.test\r\n\r\n',
    400,
    'whitespace before a colon, or a folded header line',
  ],
  'a name that is no token': ['GET / HTTP/1.1\r\nHost: a.test\r\nX@Y: b\r\n\r\n', 400, 'malformed header name'],
  'a line without a colon': ['GET / HTTP/1.1\r\nHost: a.test\r\nXY\r\n\r\n', 400, 'a carriage return stands alone'],
  'an empty name': ['GET / HTTP/1.1\r\nHost: a.test\r\n: b\r\n\r\n', 400, 'malformed header name'],
  'no Host': ['GET / HTTP/1.1\r\n\r\n', 400, 'no Host header'],
  'an empty Host': ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 400, 'malformed host'],
  'two Hosts': ['GET / HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n', 400, 'more than one Host header'],
  'a Host with a path': ['GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n', 400, 'malformed host'],
  'a Host with a user': ['GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n', 400, 'malformed host'],
  'a user in the target': ['GET http://u@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed host'],
  'another scheme': ['GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed target'],
  'a target without a slash': ['GET x HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed target'],
  'an asterisk for GET': ['GET * HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed target'],
  'a fragment': ['GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed target'],
  CONNECT: ['CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n', 501, 'CONNECT is not served here'],
  'a method that is none': ['GE(T / HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'a long method': [`${'A'.repeat(41)} / HTTP/1.1\r\nHost: a.test\r\n\r\n`, 501, 'unknown method'],
  'two spaces': ['GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'a tab for a space': ['GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'a space at the end': ['GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'a space in the target': [
    'GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n',
    400,
    'the version is not HTTP/1.0 or HTTP/1.1',
  ],
  'a control character in the target': ['GET /a\x01 HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'no version': ['GET /\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'a lower-case version': ['GET / http/1.1\r\nHost: a.test\r\n\r\n', 400, 'the version is not HTTP/1.0 or HTTP/1.1'],
  'HTTP/1.2': ['GET / HTTP/1.2\r\nHost: a.test\r\n\r\n', 400, 'the version is not HTTP/1.0 or HTTP/1.1'],
  'HTTP/0.9': ['GET / HTTP/0.9\r\nHost: a.test\r\n\r\n', 400, 'the version is not HTTP/1.0 or HTTP/1.1'],
  'HTTP/1.10': ['GET / HTTP/1.10\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'HTTP/2.0': ['GET / HTTP/2.0\r\nHost: a.test\r\n\r\n', 505, 'this connection speaks HTTP/1.1'],
  'HTTP/2 without ALPN': [
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    400,
    'HTTP/2 has to be negotiated with ALPN "h2" over TLS',
  ],
  TLS: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'TLS on a port that speaks plain HTTP'],
  'TLS that holds an empty line': ['\x16\x03\x01\r\n\r\n', 400, 'TLS on a port that speaks plain HTTP'],
  'no HTTP': ['\x00\x01\x02', 400, 'malformed request line'],
  'Content-Length and Transfer-Encoding': [
    `${post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'both Content-Length and Transfer-Encoding',
  ],
  'two lengths': [
    `${post}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
    400,
    'more than one Content-Length header',
  ],
  'a list of lengths': [`${post}Content-Length: 3, 3\r\n\r\nabc`, 400, 'malformed Content-Length'],
  'a signed length': [`${post}Content-Length: +3\r\n\r\nabc`, 400, 'malformed Content-Length'],
  'a hexadecimal length': [`${post}Content-Length: 0x3\r\n\r\nabc`, 400, 'malformed Content-Length'],
  'a length with a leading zero': [`${post}Content-Length: 03\r\n\r\nabc`, 400, 'malformed Content-Length'],
  'an empty length': [`${post}Content-Length:\r\n\r\n`, 400, 'malformed Content-Length'],
  'a length beyond reason': [`${post}Content-Length: 9999999999999999\r\n\r\n`, 400, 'malformed Content-Length'],
  'another coding': [
    `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    501,
    'the Transfer-Encoding is not "chunked"',
  ],
  'chunked twice': [
    `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'more than one Transfer-Encoding header',
  ],
  'a quoted coding': [
    `${post}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`,
    501,
    'the Transfer-Encoding is not "chunked"',
  ],
  'chunked in HTTP/1.0': [
    'POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'Transfer-Encoding in HTTP/1.0',
  ],
  'a tab before a coding': [
    `${post}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n`,
    400,
    'a tab around a value that says how to read the message',
  ],
  'a tab behind a length': [
    `${post}Content-Length: 3\t\r\n\r\nabc`,
    400,
    'a tab around a value that says how to read the message',
  ],
  'a lower-case method': ['get / HTTP/1.1\r\nHost: a.test\r\n\r\n', 400, 'malformed request line'],
  'an upgrade with a body': [
    'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx',
    400,
    'an upgrade with a body',
  ],
};

for (const [what, [text, status, reason]] of Object.entries(malformed)) {
  test(`${what} is answered ${status} with the reason, and nothing behind it is read`, async () => {
    const { sent, statuses, seen, refused, socket } = await exchange(`${text}${get}`);
    assert.deepEqual(statuses, [status], sent);
    assert.ok(sent.endsWith(`: ${reason}\n`), sent);
    assert.match(sent, /\r\nConnection: close\r\n/);
    assert.match(sent, /\r\nDate: .* GMT\r\n/);
    assert.equal(Number(/Content-Length: (\d+)/.exec(sent)?.[1]), sent.length - sent.indexOf('\r\n\r\n') - 4);
    assert.deepEqual([seen.length, refused], [0, [status]]);
    assert.ok(socket.writableEnded);
  });
}

const badChunks: Record<string, readonly [body: string, reason: string]> = {
  'no size': ['\r\n', 'malformed chunk size'],
  'an extension without a size': [';a\r\n', 'malformed chunk size'],
  'a signed size': ['-1\r\n', 'malformed chunk size'],
  'a prefixed size': ['0x1\r\na\r\n0\r\n\r\n', 'malformed chunk size'],
  'a size beyond reason': ['1000000000000\r\n', 'malformed chunk size'],
  'a space behind a size': ['1 \r\na\r\n', 'malformed chunk size'],
  'a space before a size': [' 1\r\na\r\n', 'malformed chunk size'],
  'a bare line feed behind a size': ['1\na\r\n', 'malformed chunk size'],
  'a bare carriage return behind a size': ['1\ra\r\n', 'malformed chunk size'],
  'a bare line feed in an extension': ['1;a\nb\r\n', 'malformed or too large chunk extension'],
  'a NUL in an extension': ['1;a\0\r\n', 'malformed or too large chunk extension'],
  'extensions without end': ['1;a=bcdefghijklmnop\r\nx\r\n'.repeat(300), 'malformed or too large chunk extension'],
  'data that is longer': ['1\r\nab\r\n', 'a chunk is longer or shorter than it says'],
  'anything and a line feed behind data': ['1\r\naX\n0\r\n\r\n', 'a chunk is longer or shorter than it says'],
  'a bare line feed behind data': ['1\r\na\n1', 'a chunk is longer or shorter than it says'],
  'a bare carriage return behind data': ['1\r\na\r1', 'a chunk is longer or shorter than it says'],
  'a trailer that is none': ['0\r\nX Y: z\r\n\r\n', 'whitespace before a colon, or a folded header line'],
  'a bare line feed in the trailers': ['0\r\nX: y\nZ: z\r\n\r\n', 'a line does not end in CRLF'],
};

for (const [what, [body, reason]] of Object.entries(badChunks)) {
  test(`a chunked body with ${what} is answered 400, and never seen as complete`, async () => {
    const { sent, statuses, seen } = await exchange(`${post}Transfer-Encoding: chunked\r\n\r\n${body}${get}`);
    assert.deepEqual(statuses, [400], sent);
    assert.ok(sent.endsWith(`: ${reason}\n`), sent);
    assert.deepEqual(
      seen.map(({ complete }) => complete),
      [false],
    );
  });
}

function withValue(bytes: number): string {
  return `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'x'.repeat(bytes)}\r\n\r\n`;
}

function fields(count: number): string {
  return `GET / HTTP/1.1\r\nHost: a.test\r\n${'A: b\r\n'.repeat(count)}\r\n`;
}

test('a head that can never become one is refused before its end, wherever its bytes are cut', async () => {
  const begun = 'GET / HTTP/1.1\r\nHost: a.test\r\n';
  for (const text of ['\n', 'GET / HTTP/1.1\n', `${begun}X: y\n`, `${begun}X: y\rZ`, `${begun}X: \0`, '\x16\x03']) {
    for (let cut = 0; cut < text.length; cut += 1) {
      const served = front();
      const socket = connectTo(served);
      await feed(
        socket,
        [text.slice(0, cut), text.slice(cut)].filter((piece) => piece !== ''),
      );
      assert.match(socket.sent, /^HTTP\/1\.1 400 /, JSON.stringify([text, cut]));
    }
  }
  const served = front();
  const socket = connectTo(served);
  await feed(socket, [`${begun}X: y\r`]);
  assert.equal(socket.sent, '', 'this one still can');
});

test('a short head behind a long one that came in pieces is read at once', async () => {
  const served = front();
  const socket = connectTo(served);
  const long = `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'x'.repeat(300)}\r\n\r\n`;
  await feed(socket, [long.slice(0, 200), long.slice(200), get]);
  assert.equal(served.seen.length, 2);
});

test('the limits of a head: bytes, fields, and a request line of its own', async () => {
  const limits = { headerBytes: 200, headerCount: 3 };
  const room = 200 - withValue(0).length;
  assert.deepEqual((await exchange(withValue(room), { limits })).statuses, [200]);
  assert.deepEqual((await exchange(withValue(room + 1), { limits })).limits, ['header-bytes']);
  assert.deepEqual((await exchange(withValue(room + 1), { limits })).statuses, [431]);
  assert.deepEqual((await exchange(withValue(5_000).slice(0, 300), { limits })).statuses, [431], 'before its end');
  assert.deepEqual((await exchange(`GET /${'x'.repeat(300)}`, { limits })).statuses, [414], 'before its end');
  assert.deepEqual((await exchange(`GET /${'x'.repeat(300)} HTTP/1.1\r\n\r\n`, { limits })).statuses, [414]);
  assert.deepEqual((await exchange(fields(2), { limits })).statuses, [200]);
  const many = await exchange(fields(3), { limits });
  assert.deepEqual([many.statuses, many.limits], [[431], ['header-count']]);
});

test('the limits of a body: 413 before it is read where its length says so, and in the middle where it does not', async () => {
  const limits = { bodyBytes: 10 };
  const ten = '0123456789';
  assert.deepEqual((await exchange(`${post}Content-Length: 10\r\n\r\n${ten}`, { limits })).statuses, [200]);
  const announced = await exchange(`${post}Content-Length: 11\r\n\r\n`, { limits });
  assert.deepEqual([announced.statuses, announced.seen, announced.refused], [[413], [], [413]]);
  assert.deepEqual(announced.limits, ['body-bytes']);
  const coding = `${post}Transfer-Encoding: chunked\r\n\r\n`;
  assert.deepEqual((await exchange(`${coding}a\r\n${ten}\r\n0\r\n\r\n`, { limits })).statuses, [200]);
  const grown = await exchange(`${coding}a\r\n${ten}\r\n1\r\nx\r\n0\r\n\r\n${get}`, { limits });
  assert.deepEqual([grown.statuses, grown.seen.map(({ complete }) => complete)], [[413], [false]]);
  assert.deepEqual([grown.limits, grown.refused], [['body-bytes'], []], 'an exchange tells its own outcome');
  assert.deepEqual((await exchange(`${coding}b\r\n${ten}x\r\n0\r\n\r\n`, { limits })).statuses, [413]);
});

test('the limits of a trailer section', async () => {
  const coding = `${post}Transfer-Encoding: chunked\r\n\r\n0\r\n`;
  const limits = { headerBytes: 100, headerCount: 3 };
  assert.deepEqual((await exchange(`${coding}A: b\r\nC: d\r\nE: f\r\n\r\n`, { limits })).statuses, [200]);
  assert.deepEqual((await exchange(`${coding}A: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n`, { limits })).statuses, [431]);
  assert.deepEqual((await exchange(`${coding}A: ${'x'.repeat(100)}\r\n\r\n`, { limits })).statuses, [431]);
  assert.deepEqual((await exchange(`${coding}A: ${'x'.repeat(200)}`, { limits })).statuses, [431], 'before its end');
});
