import assert from 'node:assert/strict';
import test from 'node:test';
import type { Socket } from 'node:net';
import { defaultTimeouts, type TerminatorTimeouts } from '../../src/core/terminator.ts';
import { tlsPresets } from '../../src/core/tls-policy.ts';
import { startBackend, type Echo } from '../support/backend.ts';
import { freePort } from '../support/ports.ts';
import { findTool, missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import {
  backendAt,
  proxyRoute,
  respondRoute,
  routeTo,
  settingsFor,
  startTerminator,
  type TestTerminator,
} from './support/harness.ts';
import { rawBackend, talk } from './support/raw.ts';

const noCurl = await missingTools('curl');

function timeouts(overrides: Partial<TerminatorTimeouts>): { timeouts: TerminatorTimeouts } {
  return { timeouts: { ...defaultTimeouts, drainMs: 1_000, ...overrides } };
}

async function served(routes: Parameters<typeof startTerminator>[0]): Promise<TestTerminator> {
  const terminator = await startTerminator(routes);
  await terminator.serve('file/a', 1, { dnsNames: ['a.test', 'b.test'] });
  return terminator;
}

/** Sends raw HTTP/1.1 over TLS. */
async function raw(terminator: TestTerminator, text: string, enough?: (answer: string) => boolean): Promise<string> {
  return await talk(await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] }), text, enough);
}

test('a request reaches the backend with its method, path, body and forwarding headers', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const body = 'x'.repeat(300_000);
  const answer = await terminator.fetch('a.test', '/p/q?r=1', {
    method: 'PUT',
    body,
    headers: {
      'x-forwarded-for': '203.0.113.9',
      'x-real-ip': '203.0.113.9',
      'x-own': 'yes',
      connection: 'x-hop',
      'x-hop': '1',
    },
  });
  const echo = JSON.parse(answer.body) as Echo;
  assert.equal(echo.method, 'PUT');
  assert.equal(echo.url, '/p/q?r=1');
  assert.equal(echo.bodyBytes, body.length);
  assert.equal(echo.headers['host'], 'a.test');
  assert.equal(echo.headers['x-forwarded-for'], '127.0.0.1', 'a client is not believed');
  assert.equal(echo.headers['x-real-ip'], undefined);
  assert.equal(echo.headers['x-forwarded-proto'], 'https');
  assert.equal(echo.headers['x-forwarded-host'], 'a.test');
  assert.equal(echo.headers['x-own'], 'yes');
  assert.equal(echo.headers['x-hop'], undefined);
});

test('curl over HTTP/1.1 and HTTP/2: upload, download, HEAD and Expect', { skip: noCurl }, async () => {
  const curl = await findTool('curl');
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const { writeFile } = await import('node:fs/promises');
  const { tempDir } = await import('../support/tempdir.ts');
  await using directory = await tempDir();
  await writeFile(directory.join('ca.pem'), terminator.ca.certPem);
  await writeFile(directory.join('body'), Buffer.alloc(2_000_000, 'u'));
  const url = `https://a.test:${terminator.httpsPort}`;
  const run = async (...args: string[]): Promise<string> => {
    const base = ['-sS', '--cacert', directory.join('ca.pem'), '--resolve', `a.test:${terminator.httpsPort}:127.0.0.1`];
    const { stdout, stderr, code } = await curl.run([...base, ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  for (const version of ['--http1.1', '--http2']) {
    const upload = await run(version, '-T', directory.join('body'), `${url}/up`);
    assert.equal((JSON.parse(upload) as Echo).bodyBytes, 2_000_000);
    const chunked = await run(version, '-T', directory.join('body'), '-H', 'Transfer-Encoding: chunked', `${url}/up`);
    assert.equal((JSON.parse(chunked) as Echo).bodyBytes, 2_000_000);
    const download = await run(
      version,
      '-o',
      directory.join('got'),
      '-w',
      '%{http_version} %{size_download}',
      `${url}/bytes?n=3000000`,
    );
    assert.equal(download, `${version === '--http2' ? '2' : '1.1'} 3000000`);
    assert.match(await run(version, '-I', `${url}/head`), /^HTTP\/\S+ 200/);
    assert.match(
      await run(version, '-H', 'Expect: 100-continue', '--data-binary', 'small', `${url}/expect`),
      /"bodyBytes":5/,
    );
  }
});

test('routes: longest path first, our own answers, 404 for an unknown path or host', async () => {
  await using backend = await startBackend();
  const routes = [
    proxyRoute('a.test', backend.url, '/api'),
    respondRoute('a.test', 'long', '/api/fixed'),
    respondRoute('b.test', 'b', '/only'),
  ];
  await using terminator = await served({ routes });
  assert.equal((await terminator.fetch('a.test', '/api/fixed/x')).body, 'long');
  assert.equal((JSON.parse((await terminator.fetch('a.test', '/api/other')).body) as Echo).url, '/api/other');
  const missing = await terminator.fetch('a.test', '/elsewhere');
  assert.deepEqual([missing.status, missing.body], [404, '404 Not Found: no route for this path\n']);
  const unknown = await terminator.fetch('c.test', '/', { servername: 'a.test' });
  assert.deepEqual([unknown.status, unknown.body], [404, '404 Not Found: unknown host\n']);
});

test('421 where the certificate of the connection does not cover the host asked for', async () => {
  await using terminator = await startTerminator({
    routes: [respondRoute('a.test', 'a'), respondRoute('c.test', 'c')],
  });
  await terminator.serve('file/a', 1, 'a.test');
  await terminator.serve('file/c', 1, 'c.test');
  assert.equal((await terminator.fetch('c.test', '/')).status, 200);
  const misdirected = await terminator.fetch('c.test', '/', { servername: 'a.test' });
  assert.equal(misdirected.status, 421);
});

test('requests that two parsers could read differently get 400, and the connection ends', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const post = 'POST / HTTP/1.1\r\nHost: a.test\r\n';
  const cases: Record<string, string> = {
    'Content-Length and Transfer-Encoding': `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    'Transfer-Encoding and Content-Length': `${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    'two Content-Lengths': `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    'two equal Content-Lengths': `${post}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    'a malformed Content-Length': `${post}Content-Length: 5x\r\n\r\nhello`,
    'two transfer codings': `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    'chunked in HTTP/1.0': 'POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n',
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two ports': 'GET / HTTP/1.1\r\nHost: a.test:443:444\r\n\r\n',
    'a host with brackets': 'GET / HTTP/1.1\r\nHost: a.test[x]\r\n\r\n',
    'an upgrade with a body':
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello',
    'a malformed host': 'GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n',
    'a bare line feed': 'GET / HTTP/1.1\nHost: a.test\n\n',
    'a folded header': 'GET / HTTP/1.1\r\nHost: a.test\r\nX-A: b\r\n c\r\n\r\n',
    'a space before the colon': 'GET / HTTP/1.1\r\nHost: a.test\r\nX-A : b\r\n\r\n',
    'a malformed chunk size': `${post}Transfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n`,
    'no HTTP at all': 'hello\r\n\r\n',
  };
  for (const [what, text] of Object.entries(cases)) {
    const answer = await raw(terminator, text);
    assert.match(answer, /^HTTP\/1\.1 400 /, `${what}: ${answer}`);
    assert.equal(answer.split('HTTP/1.1 ').length, 2, `${what}: one answer only`);
  }
  for (const coding of ['gzip, chunked', 'xchunked']) {
    const answer = await raw(terminator, `${post}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 501 [^]*the Transfer-Encoding is not "chunked"\n$/);
  }
  const echo = JSON.parse((await terminator.fetch('a.test', '/after')).body) as Echo;
  assert.equal(echo.url, '/after');
});

test('a head that is too large gets 431, an absolute target counts before the Host header', async () => {
  await using terminator = await served({ routes: [respondRoute('a.test', 'a'), respondRoute('b.test', 'b')] });
  assert.match(
    await raw(terminator, `GET / HTTP/1.1\r\nHost: a.test\r\nX-A: ${'x'.repeat(40_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  const absolute = 'GET https://b.test/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
  assert.match(await raw(terminator, absolute), /\r\n\r\nb$/);
});

test('clients that are slow with the head or the body are cut off; a slow backend is none of their fault', async () => {
  await using backend = await startBackend();
  await using terminator = await served({
    routes: [proxyRoute('a.test', backend.url)],
    settings: timeouts({ headerMs: 400, idleMs: 400, bodyMs: 400 }),
  });
  const head = raw(terminator, 'GET / HTTP/1.1\r\nHost: a.te');
  const body = raw(terminator, 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc');
  const silent = raw(terminator, '');
  const slow = terminator.fetch('a.test', '/slow?ms=1200');
  assert.match(await head, /^HTTP\/1\.1 408 [^]*the request head took too long\n$/);
  assert.match(await body, /^HTTP\/1\.1 408 [^]*the request body took too long\n$/);
  assert.equal(await silent, '');
  assert.equal((await slow).status, 200);
});

test('a backend that is down, silent, cut short or no HTTP gives 502 or 504 with the reason and nothing of the inside', async () => {
  await using backend = await startBackend();
  const dead = await freePort();
  await using garbage = await rawBackend((socket) => socket.end('SSH-2.0-x\r\n\r\n'));
  await using closing = await rawBackend((socket) => socket.once('data', () => socket.end()));
  await using terminator = await served({
    routes: [
      proxyRoute('a.test', backend.url),
      proxyRoute('a.test', `http://127.0.0.1:${dead}`, '/dead'),
      proxyRoute('a.test', garbage.url, '/garbage'),
      proxyRoute('a.test', closing.url, '/closing'),
      proxyRoute('a.test', 'http://no-such-host.invalid:80', '/unresolvable'),
    ],
    settings: {
      backends: {
        [backend.url]: backendAt(backend.url, { timeouts: { connectMs: 5_000, firstByteMs: 0, idleMs: 300 } }),
      },
    },
  });
  const cases: Record<string, string> = {
    '/dead': '502 Bad Gateway: backend-refused\n',
    '/garbage': '502 Bad Gateway: backend-bad-answer\n',
    '/closing': '502 Bad Gateway: backend-closed\n',
    '/reset': '502 Bad Gateway: backend-reset\n',
    '/hang': '504 Gateway Timeout: backend-timeout\n',
    '/unresolvable': '502 Bad Gateway: backend-unresolvable\n',
  };
  for (const [path, text] of Object.entries(cases)) {
    const { status, body } = await terminator.fetch('a.test', path);
    assert.deepEqual([status, body], [Number(text.slice(0, 3)), text], path);
  }
  // Cut short in the middle: the client must see that it is.
  await assert.rejects(terminator.fetch('a.test', '/cut?n=1000'));
});

test('a backend connection is reused; one that the backend closed meanwhile does not show', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)], settings: { workers: 1 } });
  for (let i = 0; i < 10; i += 1) assert.equal((await terminator.fetch('a.test', `/${i}`)).status, 200);
  assert.equal(backend.connections, 1);
  backend.resetConnections();
  for (let i = 0; i < 5; i += 1) assert.equal((await terminator.fetch('a.test', '/again')).status, 200);
  // A connection that is closed at the very moment of its next use: the request goes out again on a fresh one.
  await using flaky = await rawBackend((socket, index) => {
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      if (index === 0 && requests === 2) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  await terminator.feed.acknowledged(
    terminator.feed.publish({
      kind: 'settings',
      settings: settingsFor({ workers: 1 }, [proxyRoute('a.test', flaky.url)]),
    }),
  );
  assert.equal((await terminator.fetch('a.test', '/1')).body, 'ok');
  assert.equal((await terminator.fetch('a.test', '/2')).body, 'ok');
  assert.equal(flaky.sockets.length, 2);
});

test('a request that may not be sent twice is not', async () => {
  const seen: string[] = [];
  await using flaky = await rawBackend((socket) => {
    let requests = 0;
    socket.on('data', (chunk: Buffer) => {
      requests += 1;
      seen.push(chunk.toString().split(' ')[0] ?? '');
      if (requests === 2) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
  });
  await using terminator = await served({ routes: [proxyRoute('a.test', flaky.url)], settings: { workers: 1 } });
  assert.equal((await terminator.fetch('a.test', '/')).status, 200);
  const { status } = await terminator.fetch('a.test', '/', { method: 'POST', headers: { 'content-length': '0' } });
  assert.equal(status, 502);
  assert.deepEqual(seen, ['GET', 'POST']);
});

test('never (§5.13): a backend that sends more than it announced loses the connection, and nobody gets the surplus', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n';
  const surplus = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
  const ways: ((write: (text: string) => void) => void)[] = [
    (write) => write(`${answer}good${surplus}`),
    (write) => {
      write(`${answer}good`);
      setImmediate(() => write(surplus));
    },
    (write) => write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n${surplus}`),
    (write) => write(`${answer}good tail`),
    (write) => write(`HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\npoison`),
  ];
  const backends = await Promise.all(
    ways.map((send) => rawBackend((socket) => socket.on('data', () => send((text) => socket.write(text))))),
  );
  await using stack = new AsyncDisposableStack();
  for (const backend of backends) stack.use(backend);
  const routes = backends.map(({ url }, way) => proxyRoute('a.test', url, `/${way}`));
  await using terminator = await served({ routes, settings: { workers: 1 } });
  for (const [way, backend] of backends.entries()) {
    for (let i = 0; i < 5; i += 1) {
      const { body } = await terminator.fetch('a.test', `/${way}/${i}`);
      assert.equal(body, way === 4 ? '' : 'good', `way ${way}`);
    }
    assert.equal(backend.sockets.length, 5, `way ${way}: no connection was used twice`);
  }
});

test('never (§5.13): an answer before the end of the request ends both connections', async () => {
  await using backend = await rawBackend((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig')),
  );
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)], settings: { workers: 1 } });
  const head = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nbegin';
  for (let i = 0; i < 2; i += 1) {
    const answer = await raw(terminator, head, (text) => text.endsWith('big'));
    assert.match(answer, /^HTTP\/1\.1 413 [\s\S]*Connection: close/i);
  }
  assert.equal(backend.sockets.length, 2);
});

test('the end of one side ends the other: client gone, backend request gone', async () => {
  await using backend = await rawBackend((socket) => socket.resume());
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const client = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  const socket = await until(() => backend.sockets[0]);
  client.destroy();
  await until(() => socket.destroyed || socket.closed, { what: 'the end of the backend request' });
});

test('backpressure: a client that does not read holds up the backend instead of filling memory', async () => {
  let sent = 0;
  const size = 64_000_000;
  await using backend = await rawBackend((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const chunk = Buffer.alloc(65_536, 'x');
      const pump = (): void => {
        while (sent < size && !socket.destroyed) {
          const piece = chunk.subarray(0, Math.min(chunk.length, size - sent));
          sent += piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', pump);
            return;
          }
        }
      };
      pump();
    });
  });
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const client = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  client.pause();
  client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  let before = -1;
  await until(
    () => {
      const still = sent > 0 && sent === before;
      before = sent;
      return still;
    },
    { everyMs: 300, what: 'a backend that is held up' },
  );
  assert.ok(sent < size / 2, `${sent} bytes were taken for a client that reads nothing`);
  let received = 0;
  client.on('data', (chunk: Buffer) => (received += chunk.length));
  client.resume();
  await until(() => received > size, { what: 'the rest' });
  client.destroy();
});

test('backpressure the other way: an upload waits for the backend', async () => {
  await using backend = await rawBackend((socket) => socket.pause());
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const client = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  client.on('error', () => undefined);
  client.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000000\r\n\r\n');
  const chunk = Buffer.alloc(1_000_000, 'u');
  let taken = 0;
  const send = (): void => void client.write(chunk, (error) => (error ? undefined : ((taken += 1), send())));
  send();
  let before = -1;
  await until(
    () => {
      const still = taken > 0 && taken === before;
      before = taken;
      return still;
    },
    { everyMs: 150, what: 'an upload that is held up' },
  );
  assert.ok(taken < 100, `${taken} MB were taken for a backend that reads nothing`);
  client.destroy();
});

test('trailers, streaming and early hints pass through', async () => {
  await using backend = await rawBackend((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nfirs\r\n');
      setImmediate(() => socket.write('1\r\nt\r\n0\r\nX-Sum: 5\r\n\r\n'));
    }),
  );
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const answer = await raw(terminator, 'GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n', (text) =>
    text.includes('X-Sum: 5\r\n\r\n'),
  );
  assert.match(answer, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n/i);
  assert.match(answer, /HTTP\/1\.1 200 OK\r\n/);
  assert.match(answer, /(?:5\r\nfirst|4\r\nfirs\r\n1\r\nt)\r\n0\r\nX-Sum: 5\r\n\r\n$/);
});

test('keep-alive connections carry many requests, pipelined or not, and HTTP/1.0 is answered', async () => {
  await using terminator = await served({ routes: [respondRoute('a.test', 'ok')] });
  const request = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
  const answer = await raw(
    terminator,
    request.repeat(3),
    (text) => text.split('HTTP/1.1 200').length === 4 && text.endsWith('ok'),
  );
  assert.equal(answer.split('HTTP/1.1 200').length, 4);
  assert.match(await raw(terminator, 'GET / HTTP/1.0\r\nHost: a.test\r\n\r\n'), /\r\n\r\nok$/);
});

test('routes redirect, rewrite, ask for methods and headers, and change headers both ways', async () => {
  await using backend = await startBackend();
  const rewrite = { kind: 'replace-prefix', value: '/inner' } as const;
  const routes = [
    routeTo('a.test', { kind: 'redirect', status: 302, host: 'b.test', path: rewrite }, '/old'),
    {
      ...routeTo('a.test', { kind: 'proxy', backend: backend.url, rewrite, host: 'inner.test' }, '/api'),
      requestHeaders: { remove: ['x-secret'], set: { 'x-team': 'shop' }, add: {} },
      responseHeaders: { remove: ['content-type'], set: {}, add: { 'x-served': 'yes' } },
    },
    { ...respondRoute('a.test', 'beta', '/api'), headers: [{ name: 'x-beta', value: '1' }] },
    { ...respondRoute('a.test', 'read', '/read'), methods: ['GET'] },
  ];
  await using terminator = await served({ routes });
  const old = await terminator.fetch('a.test', '/old/x/?q=1');
  assert.deepEqual([old.status, old.headers['location']], [302, 'https://b.test/inner/x/?q=1']);
  const { headers, body } = await terminator.fetch('a.test', '/api/x?q=1', { headers: { 'x-secret': '1' } });
  const echo = JSON.parse(body) as Echo;
  assert.deepEqual([echo.url, echo.headers['host'], echo.headers['x-team']], ['/inner/x?q=1', 'inner.test', 'shop']);
  assert.deepEqual([echo.headers['x-secret'], echo.headers['x-forwarded-host']], [undefined, 'a.test']);
  assert.deepEqual([headers['content-type'], headers['x-served'], headers['via']], [undefined, 'yes', '1.1 certplane']);
  assert.equal((await terminator.fetch('a.test', '/api/x', { headers: { 'x-beta': '1' } })).body, 'beta');
  const refused = await terminator.fetch('a.test', '/read', { method: 'DELETE' });
  assert.deepEqual([refused.status, refused.headers['allow']], [405, 'GET']);
  assert.equal((await terminator.fetch('a.test', '/read')).body, 'read');
});

test('HSTS is said with every answer over https, in the place of what a backend says, and not over http', async () => {
  await using backend = await rawBackend((socket) =>
    socket.on('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 2\r\n\r\nok'),
    ),
  );
  const hsts = { maxAgeSeconds: 86_400, includeSubdomains: true, preload: false };
  const routes = [
    { ...proxyRoute('a.test', backend.url), http: 'serve' as const },
    respondRoute('b.test', 'b', '/only'),
  ];
  await using terminator = await served({ routes, settings: { tls: { ...tlsPresets.intermediate, hsts } } });
  for (const [host, path] of [
    ['a.test', '/'],
    ['b.test', '/only'],
    ['b.test', '/missing'],
  ] as const) {
    const { headers } = await terminator.fetch(host, path);
    assert.equal(headers['strict-transport-security'], 'max-age=86400; includeSubDomains', `${host}${path}`);
  }
  const plain = await terminator.plain('a.test', '/');
  assert.deepEqual([plain.status, plain.headers['strict-transport-security']], [200, undefined]);
});

test('server-sent events arrive one by one, while the answer is still open', async () => {
  const events: Socket[] = [];
  await using backend = await rawBackend((socket) =>
    socket.once('data', () => {
      events.push(socket);
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    }),
  );
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const client = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  let received = '';
  client.on('data', (chunk: Buffer) => (received += chunk.toString()));
  client.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => received.includes('text/event-stream'), { what: 'the head before any event' });
  for (const number of [1, 2, 3]) {
    events[0]?.write(`9\r\ndata: ${number}\n\n\r\n`);
    await until(() => received.includes(`data: ${number}\n`), { what: `event ${number}` });
  }
  client.destroy();
});

test('a path cannot be written so that it misses the route it is for', async () => {
  await using backend = await startBackend();
  await using terminator = await served({
    routes: [proxyRoute('a.test', backend.url), respondRoute('a.test', 'forbidden', '/admin')],
  });
  for (const path of ['/admin', '/%61dmin', '/x/../admin', '/x/%2e%2e/admin/y', '/./admin', '/admin/%2e/x']) {
    const answer = await raw(terminator, `GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /\r\n\r\nforbidden$/, path);
  }
  for (const path of [
    '//admin',
    '/admin;x',
    '/x/..;/admin',
    '/..%2fadmin',
    '/admin%2fx',
    '/\\admin',
    '/%',
    '/../admin',
  ]) {
    const answer = await raw(terminator, `GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 400 /, path);
  }
  assert.equal(backend.requests, 0);
});
