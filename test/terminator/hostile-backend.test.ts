import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import test from 'node:test';
import { proxyRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { rawBackend, talk } from './support/raw.ts';

/** What a backend may send that node's own response objects refuse to take, or might. */
const answers: Record<string, { text: string; status: number }> = {
  'a body and no trailers': { text: 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc', status: 200 },
  'a Link in early hints that is no link': {
    text: 'HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    status: 200,
  },
  'early hints without a Link': {
    text: 'HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    status: 200,
  },
  'header fields twice that make sense once': {
    text: 'HTTP/1.1 200 OK\r\nDate: a\r\nDate: b\r\nContent-Type: c\r\nContent-Type: d\r\nETag: e\r\nETag: f\r\nContent-Length: 0\r\n\r\n',
    status: 200,
  },
  'trailers twice that make sense once': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\n\r\n0\r\nETag: a\r\nETag: b\r\n\r\n',
    status: 200,
  },
  'trailers that belong to a connection': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nConnection: close\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\nUpgrade: h2c\r\n\r\n',
    status: 200,
  },
  'a 204 with a length': { text: 'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n', status: 204 },
  'a 205 with a body': { text: 'HTTP/1.1 205 Reset Content\r\nContent-Length: 3\r\n\r\nabc', status: 502 },
  'a 205 with a chunked body': {
    text: 'HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    status: 502,
  },
  'a 205 whose chunked body is empty': {
    text: 'HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 205,
  },
  'a 205 with a body of unknown length': { text: 'HTTP/1.1 205 Reset Content\r\n\r\nabc', status: 502 },
  'a pseudo-header': { text: 'HTTP/1.1 200 OK\r\n:status: 500\r\nContent-Length: 0\r\n\r\n', status: 502 },
  'a status beyond 599': { text: 'HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n', status: 502 },
  'bytes above ASCII': {
    text: 'HTTP/1.1 200 \xe9\xff\r\nX-A: \xe9\xff\r\nContent-Length: 0\r\n\r\n',
    status: 200,
  },
};

/** 0: the stream was reset. */
async function http2Status(terminator: TestTerminator): Promise<number> {
  const socket = await terminator.handshake('a.test', { ALPNProtocols: ['h2'] });
  const session = connectHttp2('https://a.test', { createConnection: () => socket });
  session.on('error', () => undefined);
  const stream = session.request({ ':path': '/', te: 'trailers' });
  let status = 0;
  stream.on('response', (headers) => (status = Number(headers[':status'])));
  stream.on('error', () => undefined);
  stream.resume();
  await new Promise<void>((resolve) => void stream.once('close', resolve));
  session.destroy();
  return stream.rstCode === 0 ? status : 0;
}

for (const [what, { text, status }] of Object.entries(answers)) {
  test(`no answer of a backend ends a worker: ${what}`, async () => {
    await using backend = await rawBackend((socket) => socket.on('data', () => socket.write(text, 'latin1')));
    await using terminator = await startTerminator({
      routes: [proxyRoute('a.test', backend.url)],
      settings: { workers: 1 },
    });
    await terminator.serve('file/a', 1, 'a.test');
    const { workers } = terminator.supervisor.status();
    const overTls = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
    const request = 'GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: close\r\n\r\n';
    assert.match(await talk(overTls, request), new RegExp(`HTTP/1\\.1 ${status} `));
    assert.equal(await http2Status(terminator), status);
    assert.deepEqual(
      terminator.supervisor.status().workers.map(({ pid }) => pid),
      workers.map(({ pid }) => pid),
    );
  });
}
