import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'node:test';
import { startBackend, type Echo } from '../../../support/backend.ts';
import { tempDir } from '../../../support/tempdir.ts';
import { until } from '../../../support/until.ts';
import { rawBackend, type RawBackend } from '../../support/raw.ts';
import {
  Answer,
  backendOf,
  begin,
  send,
  startBackends,
  type BackendOverrides,
  type TestBackends,
} from '../support/backends.ts';

function portOf({ url }: RawBackend): number {
  return Number(new URL(url).port);
}

function only(port: number, overrides: BackendOverrides = {}): TestBackends {
  return startBackends({ app: backendOf([port], { retries: 0, ...overrides }) });
}

/** Answers each request head with the text given for it. */
function answering(...texts: readonly string[]): Promise<RawBackend> {
  let request = 0;
  return rawBackend((socket) =>
    socket.on('data', () => socket.write(texts[Math.min(request++, texts.length - 1)] as string, 'latin1')),
  );
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('a request goes out as it was given, and its answer comes back with status, headers, body and endpoint', async () => {
  await using backend = await startBackend();
  await using backends = only(backend.port);
  const answer = await send(backends, 'app', { target: '/a?b=c', headers: ['X-One', '1', 'x-two', '2'] });
  assert.equal(answer.status, 200);
  assert.equal(answer.header('content-type'), 'application/json');
  const echo = JSON.parse(answer.body) as Echo;
  assert.equal(echo.url, '/a?b=c');
  assert.deepEqual(echo.headers, { host: 'shop.test', 'x-one': '1', 'x-two': '2' });
  assert.equal(answer.call.endpoint, `127.0.0.1:${backend.port}`);
  assert.ok(answer.turns > 0);
});

test('requests follow each other on one connection', async () => {
  await using backend = await startBackend();
  await using backends = only(backend.port);
  for (let i = 0; i < 5; i += 1) {
    assert.equal((await send(backends, 'app')).status, 200);
    await until(() => backends.states()[0]?.active === 0);
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
  }
  assert.equal(backend.connections, 1);
  assert.deepEqual(
    backends.states().map(({ state, open, active, requests }) => ({ state, open, active, requests })),
    [{ state: 'up', open: 1, active: 0, requests: 5 }],
  );
});

test('bodies of both framings arrive whole, and so does a large answer', async () => {
  await using backend = await startBackend();
  await using backends = only(backend.port);
  const parts = Array.from({ length: 40 }, () => randomBytes(7_001));
  const whole = Buffer.concat(parts);
  const sha256 = createHash('sha256').update(whole).digest('hex');
  for (const body of ['length', 'chunked'] as const) {
    const headers = body === 'length' ? ['content-length', String(whole.length)] : [];
    const answer = await send(backends, 'app', { method: 'POST', body, headers }, new Answer(parts));
    assert.equal((JSON.parse(answer.body) as Echo).bodySha256, sha256, body);
  }
  const large = await send(backends, 'app', { target: '/bytes?n=3000000' });
  assert.equal(Buffer.concat(large.chunks).equals(Buffer.alloc(3_000_000, 'b')), true);
});

test('chunks that were passed on are not overwritten by what is read later', async () => {
  const body = randomBytes(400_000);
  const server = createServer((_request, response) => {
    // Small pieces and large ones by turns.
    let at = 0;
    const next = (): void => {
      if (at >= body.length) {
        response.end();
        return;
      }
      const size = at % 3 === 0 ? 100 : 37_000;
      response.write(body.subarray(at, at + size));
      at += size;
      setImmediate(next);
    };
    next();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using backends = only((server.address() as { port: number }).port);
  const answers = await Promise.all(Array.from({ length: 6 }, () => send(backends, 'app')));
  for (const answer of answers) assert.ok(Buffer.concat(answer.chunks).equals(body));
  server.closeAllConnections();
  server.close();
});

test('trailers go both ways', async () => {
  let received = '';
  await using backend = await rawBackend((socket) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if (received.endsWith('X-Sum: 3\r\n\r\n'))
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nX-Back: 4\r\n\r\n');
    });
  });
  await using backends = only(portOf(backend));
  const request = { method: 'POST', body: 'chunked', trailers: true } as const;
  const answer = await send(backends, 'app', request, new Answer(['abc'], ['X-Sum', '3']));
  assert.match(
    received,
    /\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n$/,
  );
  assert.deepEqual(answer.trailers, ['X-Back', '4']);
  assert.equal(answer.body, 'z');
});

test('informational answers are passed on before the final one', async () => {
  await using backend = await answering(
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok}`,
  );
  await using backends = only(portOf(backend));
  const answer = await send(backends, 'app');
  assert.deepEqual(answer.informational, [100, 103]);
  assert.equal(answer.body, 'ok');
});

test('an answer framed by the end of the connection is complete with it', async () => {
  await using backend = await rawBackend((socket) => {
    socket.on('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it'));
  });
  await using backends = only(portOf(backend));
  const answer = await send(backends, 'app');
  assert.equal(answer.body, 'all of it');
  assert.deepEqual(answer.trailers, []);
});

for (const [what, text] of Object.entries({
  'bytes behind the answer': `${ok}HTTP/1.1 200 OK\r\n`,
  'Connection: close': ok.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
  'HTTP/1.0': ok.replace('1.1', '1.0'),
  'Keep-Alive: timeout=0': ok.replace('\r\n\r\n', '\r\nKeep-Alive: timeout=0\r\n\r\n'),
})) {
  test(`never (§5.13): a connection is used again after ${what}`, async () => {
    await using backend = await answering(text);
    await using backends = only(portOf(backend));
    assert.equal((await send(backends, 'app')).body, 'ok');
    await until(() => backends.states()[0]?.open === 0, { what: 'the end of the connection' });
    assert.equal((await send(backends, 'app')).body, 'ok');
    assert.equal(backend.sockets.length, 2);
  });
}

test('never (§5.13): bytes that come between two requests answer the next one', async () => {
  await using backend = await rawBackend((socket, index) => {
    socket.on('data', () => {
      socket.write(index === 0 ? ok : ok.replace('ok', 'no'));
      if (index === 0) setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'));
    });
  });
  await using backends = only(portOf(backend));
  assert.equal((await send(backends, 'app')).body, 'ok');
  await until(() => backends.states()[0]?.open === 0, { what: 'the end of the connection' });
  assert.equal((await send(backends, 'app')).body, 'no');
});

test('never (§5.13): a connection whose request was not sent to its end is used again', async () => {
  await using backend = await answering(ok);
  await using backends = only(portOf(backend));
  const answer = new Answer(['x']);
  answer.holdBody = true;
  await send(backends, 'app', { method: 'POST', body: 'length', headers: ['content-length', '1'] }, answer);
  assert.equal(answer.body, 'ok');
  await until(() => backends.states()[0]?.open === 0, { what: 'the end of the connection' });
});

test('a request that was aborted takes its connection along and says nothing more', async () => {
  await using backend = await startBackend();
  await using backends = only(backend.port);
  const answer = begin(backends, 'app', { target: '/hang' });
  await until(() => backend.requests === 1);
  answer.call.abort();
  await until(() => backend.openConnections === 0);
  assert.equal(answer.failure, undefined);
  assert.deepEqual([backends.states()[0]?.active, backends.states()[0]?.open], [0, 0]);
  const early = begin(backends, 'app'); // not even connected
  early.call.abort();
  assert.equal(backends.states()[0]?.active, 0);
});

test('a reader that is slow holds the backend up, not the memory', async () => {
  let sent = 0;
  await using backend = await rawBackend((socket: Socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n');
      const more = (): void => {
        while (sent < 100_000_000 && !socket.destroyed) {
          sent += 65_536;
          if (!socket.write(Buffer.alloc(65_536))) break;
        }
      };
      socket.on('drain', more);
      more();
    });
  });
  await using backends = only(portOf(backend));
  const answer = begin(backends, 'app');
  await answer.headed;
  answer.call.pause();
  let before = -1;
  await until(
    () => {
      const still = sent === before;
      before = sent;
      return still;
    },
    { everyMs: 100, what: 'the backend being held up' },
  );
  assert.ok(sent < 50_000_000, `${sent} bytes`);
  const received = answer.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  assert.ok(received < 1_000_000, `${received} bytes after pause`);
  answer.call.resume();
  await until(() => answer.chunks.reduce((sum, chunk) => sum + chunk.length, 0) > received);
  answer.call.abort();
});

test('a slow backend holds the sender up: write says no, and drain follows', async () => {
  const resume = Promise.withResolvers<Socket>();
  await using backend = await rawBackend((socket) => {
    socket.once('data', () => {
      socket.pause();
      resume.resolve(socket);
    });
  });
  await using backends = only(portOf(backend));
  const answer = new Answer();
  const drained = Promise.withResolvers<void>();
  answer.onDrain = () => drained.resolve();
  begin(backends, 'app', { method: 'PUT', body: 'chunked' }, answer);
  const socket = await resume.promise;
  await until(() => !answer.call.write(Buffer.alloc(1_000_000)), { everyMs: 1 });
  socket.resume();
  await drained.promise;
  answer.call.abort();
});

test('unix sockets are backends, too', async () => {
  await using directory = await tempDir();
  const path = directory.join('app.sock');
  const server = createServer((request, response) => response.end(`over ${request.headers.host}`));
  server.listen(path);
  await once(server, 'listening');
  await using backends = startBackends({ app: backendOf([{ unixPath: path, weight: 1 }]) });
  const answer = await send(backends, 'app');
  assert.equal(answer.body, 'over shop.test');
  assert.equal(answer.call.endpoint, `unix:${path}`);
  server.closeAllConnections();
  server.close();
  await rm(path, { force: true });
  const missing = await send(backends, 'app');
  assert.equal(missing.failure, 'backend-refused');
});

test('a broken answer, a reset, a cut and a refused connection each have their name', async () => {
  await using broken = await answering('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n');
  await using backend = await startBackend();
  await using mute = await rawBackend((socket) => socket.once('data', () => socket.end()));
  await using backends = startBackends({
    broken: backendOf([portOf(broken)]),
    app: backendOf([backend.port], { retries: 0 }),
    mute: backendOf([portOf(mute)], { retries: 0 }),
    nobody: backendOf([1], { retries: 0 }),
  });
  const bad = await send(backends, 'broken');
  assert.deepEqual([bad.failure, bad.headSeen], ['backend-bad-answer', false]);
  assert.match(bad.detail, /Content-Length/);
  assert.equal((await send(backends, 'app', { method: 'POST', target: '/reset' })).failure, 'backend-reset');
  const cut = await send(backends, 'app', { target: '/cut?n=10' });
  assert.deepEqual([cut.failure, cut.headSeen, cut.body], ['backend-closed', true, 'c'.repeat(10)]);
  assert.equal((await send(backends, 'mute')).failure, 'backend-closed');
  const refused = await send(backends, 'nobody');
  assert.deepEqual([refused.failure, refused.detail], ['backend-refused', 'ECONNREFUSED']);
  assert.throws(() => backends.call('other', {} as never, new Answer()), /no backend other/);
});

test('a silent backend is given up: before the first byte, between bytes; a client that is slow to send is not its fault', async () => {
  await using backend = await rawBackend((socket) => {
    socket.on('data', (chunk: Buffer) => {
      if (chunk.includes('/half')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      if (chunk.includes('END')) socket.write(ok);
    });
  });
  const port = portOf(backend);
  await using backends = startBackends({
    idle: backendOf([port], { retries: 0, timeouts: { idleMs: 80 } }),
    first: backendOf([port], { retries: 0, timeouts: { firstByteMs: 80 } }),
  });
  const silent = await send(backends, 'idle');
  assert.deepEqual([silent.failure, silent.detail], ['backend-timeout', 'no byte in 80 ms']);
  const half = await send(backends, 'idle', { target: '/half' });
  assert.deepEqual([half.failure, half.headSeen], ['backend-timeout', true]);
  const first = await send(backends, 'first');
  assert.deepEqual([first.failure, first.detail], ['backend-timeout', 'no answer in 80 ms']);
  const slow = new Answer(['END']);
  slow.holdBody = true;
  begin(backends, 'idle', { method: 'POST', body: 'length', headers: ['content-length', '3'] }, slow);
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt > 300);
  slow.sendBody();
  await slow.done;
  assert.equal(slow.body, 'ok');
});
