import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import test from 'node:test';
import { tempDir } from '../../../support/tempdir.ts';
import { TestCa } from '../../../support/test-ca.ts';
import { until } from '../../../support/until.ts';
import { rawBackend } from '../../support/raw.ts';
import {
  Answer,
  backendOf,
  begin,
  client,
  send,
  startBackends,
  type BackendOverrides,
  type TestBackends,
} from '../support/backends.ts';

type Handler = (stream: ServerHttp2Stream, headers: Record<string, string>, session: ServerHttp2Session) => void;

interface Http2Backend extends AsyncDisposable {
  readonly port: number;
  readonly sessions: ServerHttp2Session[];
  streams: number;
}

async function http2Backend(
  handler: Handler,
  settings: Settings = {},
  tls?: { cert: string; key: string },
): Promise<Http2Backend> {
  const server = tls === undefined ? createServer({ settings }) : createSecureServer({ settings, ...tls });
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    backend.streams += 1;
    stream.on('error', () => undefined);
    handler(stream as ServerHttp2Stream, headers as Record<string, string>, stream.session as ServerHttp2Session);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const backend = {
    port: (server.address() as AddressInfo).port,
    sessions,
    streams: 0,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const session of sessions) session.destroy();
      await once(server, 'close');
    },
  };
  return backend;
}

function only(port: number, overrides: BackendOverrides = {}): TestBackends {
  return startBackends({ app: backendOf([port], { protocol: 'http2', retries: 0, ...overrides }) });
}

const hello: Handler = (stream, headers) => {
  stream.respond({ ':status': 200, 'x-path': String(headers[':path']) });
  stream.end('hello');
};

test('requests share one session, with pseudo-headers, lower-case names and their bodies', async () => {
  let seen: Record<string, string> = {};
  await using backend = await http2Backend((stream, headers) => {
    seen = headers;
    const hash = createHash('sha256');
    stream.on('data', (chunk: Buffer) => hash.update(chunk));
    stream.on('end', () => {
      stream.respond({ ':status': 200 });
      stream.end(hash.digest('hex'));
    });
  });
  await using backends = only(backend.port);
  const body = randomBytes(700_000);
  const parts = [body.subarray(0, 300_000), body.subarray(300_000)];
  const answer = await send(
    backends,
    'app',
    { method: 'POST', target: '/a?b', body: 'chunked', headers: ['X-One', '1'], trailers: true },
    new Answer(parts),
  );
  assert.equal(answer.body, createHash('sha256').update(body).digest('hex'));
  assert.equal(answer.head?.version, '2');
  const { ':method': method, ':path': path, ':authority': authority, ':scheme': scheme } = seen;
  assert.deepEqual(
    { method, path, authority, scheme, one: seen['x-one'], te: seen['te'] },
    { method: 'POST', path: '/a?b', authority: 'shop.test', scheme: 'http', one: '1', te: 'trailers' },
  );
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(backends, 'app')));
  for (const { status } of answers) assert.equal(status, 200);
  assert.equal(backend.sessions.length, 1);
  assert.deepEqual(
    backends.states().map(({ open, active, requests }) => ({ open, active, requests })),
    [{ open: 1, active: 0, requests: 51 }],
  );
});

test('trailers, informational answers and answers without a body come through, as gRPC needs them', async () => {
  await using backend = await http2Backend((stream, headers) => {
    if (headers[':path'] === '/none') {
      stream.respond({ ':status': 204 }, { endStream: true });
      return;
    }
    stream.additionalHeaders({ ':status': 103, link: 'x' });
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-sum': received }));
    let received = '';
    stream.on('trailers', (trailers) => (received = String(trailers['x-sent'])));
    stream.on('data', () => undefined);
    stream.on('end', () => stream.end('message'));
  });
  await using backends = only(backend.port);
  const answer = await send(
    backends,
    'app',
    { method: 'POST', body: 'chunked', headers: ['Trailer', 'x-sent'] },
    new Answer(['a'], ['X-Sent', '7']),
  );
  assert.deepEqual(answer.informational, [103]);
  assert.equal(answer.body, 'message');
  assert.deepEqual(answer.trailers, ['grpc-status', '0', 'x-sum', '7']);
  const none = await send(backends, 'app', { target: '/none' });
  assert.deepEqual([none.status, none.body, none.trailers], [204, '', []]);
});

test('another session is opened where the streams of one run out, and requests wait where connections are bounded', async () => {
  const open: ServerHttp2Stream[] = [];
  await using backend = await http2Backend((stream) => open.push(stream), { maxConcurrentStreams: 2 });
  await using backends = only(backend.port);
  const answers = Array.from({ length: 6 }, () => begin(backends, 'app'));
  await until(() => open.length === 6);
  assert.equal(backend.sessions.length, 3);
  for (const stream of open.splice(0)) {
    stream.respond({ ':status': 200 });
    stream.end();
  }
  for (const answer of answers) await answer.done;
  await using bounded = only(backend.port, { maxConnections: 1, timeouts: { connectMs: 300 } });
  const three = Array.from({ length: 3 }, () => begin(bounded, 'app'));
  await until(() => open.length === 2);
  await three[2]?.done;
  assert.equal(three[2]?.failure, 'backend-overloaded');
  const fourth = begin(bounded, 'app');
  open[0]?.respond({ ':status': 200 }, { endStream: true });
  await until(() => open.length === 3);
  for (const stream of open.slice(1)) stream.respond({ ':status': 200 }, { endStream: true });
  await fourth.done;
  assert.equal(fourth.status, 200);
});

test('a graceful GOAWAY loses nothing: what is under way ends, what comes later goes to a new session', async () => {
  let first: ServerHttp2Stream | undefined;
  await using backend = await http2Backend((stream, headers, session) => {
    if (headers[':path'] === '/slow') {
      first = stream;
      session.close();
    } else hello(stream, headers, session);
  });
  await using backends = only(backend.port);
  const slow = begin(backends, 'app', { target: '/slow' });
  await until(() => first !== undefined);
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => send(backends, 'app', { target: `/${i}` })));
  for (const answer of answers) assert.equal(answer.body, 'hello', answer.detail);
  first?.respond({ ':status': 200 });
  first?.end('late');
  await slow.done;
  assert.equal(slow.body, 'late');
  assert.ok(backend.sessions.length >= 2);
});

test('what a backend says it has not touched is sent again, whatever the request is; what it may have is not', async () => {
  let refusals = 1;
  let handled = 0;
  await using backend = await http2Backend((stream, headers, session) => {
    if (headers[':path'] === '/refuse' && refusals > 0) {
      refusals -= 1;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    } else if (headers[':path'] === '/goaway' && backend.sessions.length === 1) {
      // It was not processed: the last one that was came before it.
      session.goaway(constants.NGHTTP2_NO_ERROR, (stream.id as number) - 2);
      setImmediate(() => session.destroy());
    } else if (headers[':path'] === '/broken') {
      handled += 1;
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    } else hello(stream, headers, session);
  });
  await using backends = only(backend.port);
  const post = { method: 'POST', body: 'none' } as const;
  assert.equal((await send(backends, 'app', { ...post, target: '/refuse' })).body, 'hello');
  assert.equal(backends.states()[0]?.state, 'up');
  assert.equal((await send(backends, 'app', { ...post, target: '/goaway' })).body, 'hello');
  const broken = await send(backends, 'app', { ...post, target: '/broken' });
  assert.equal(broken.failure, 'backend-reset');
  assert.equal(handled, 1);
});

test('an answer that is reset half-way is never complete, whatever the reset says', async () => {
  for (const code of [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL, constants.NGHTTP2_INTERNAL_ERROR]) {
    for (const length of [{}, { 'content-length': '1000' }]) {
      await using backend = await http2Backend((stream) => {
        stream.respond({ ':status': 200, ...length });
        stream.write('half');
        // Not `close`, which would end the stream before it is reset.
        setTimeout(
          () =>
            (stream as unknown as { [key: symbol]: { rstStream(code: number): void } })[handleOf(stream)]?.rstStream(
              code,
            ),
          20,
        );
      });
      await using backends = only(backend.port);
      const answer = await send(backends, 'app');
      assert.equal(answer.trailers, undefined, `code ${code}`);
      assert.deepEqual([answer.failure, answer.headSeen, answer.body], ['backend-reset', true, 'half']);
    }
  }
});

/** The symbol under which node keeps a stream's native part: the only way to a reset without an end. */
function handleOf(stream: ServerHttp2Stream): symbol {
  let prototype: object | null = stream;
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
    const found = Object.getOwnPropertySymbols(prototype).find((symbol) => symbol.description === 'kHandle');
    if (found !== undefined) return found;
  }
  throw new Error('no handle');
}

test('an answer before the end of the request is taken, and the rest of the request is not sent', async () => {
  const closed = Promise.withResolvers<number>();
  await using backend = await http2Backend((stream) => {
    stream.respond({ ':status': 413 });
    stream.end('too large');
    stream.on('close', () => closed.resolve(stream.rstCode));
  });
  await using backends = only(backend.port);
  const answer = new Answer(['x']);
  answer.holdBody = true;
  await send(backends, 'app', { method: 'POST', body: 'chunked' }, answer);
  assert.deepEqual([answer.status, answer.body], [413, 'too large']);
  await closed.promise;
});

test('who aborts resets the stream, and the session goes on', async () => {
  const reset = Promise.withResolvers<number>();
  await using backend = await http2Backend((stream, headers, session) => {
    if (headers[':path'] === '/hang') stream.on('close', () => reset.resolve(stream.rstCode));
    else hello(stream, headers, session);
  });
  await using backends = only(backend.port);
  const answer = begin(backends, 'app', { target: '/hang' });
  await until(() => backend.streams === 1);
  answer.call.abort();
  assert.equal(await reset.promise, constants.NGHTTP2_CANCEL);
  assert.equal((await send(backends, 'app')).body, 'hello');
  assert.equal(backend.sessions.length, 1);
  assert.equal(answer.failure, undefined);
});

test('a session outlives any number of uploads that end half-way', async () => {
  await using backend = await http2Backend((stream, headers, session) => {
    if (headers[':path'] !== '/hang') hello(stream, headers, session);
  });
  await using backends = only(backend.port);
  // More than node counts for a session by default; it never subtracts what was waiting in a stream that is reset.
  for (let i = 1; i <= 12; i += 1) {
    const body = new Answer([Buffer.alloc(1_048_576)]);
    const answer = begin(backends, 'app', { method: 'POST', target: '/hang', body: 'chunked' }, body);
    await until(() => backend.streams === i);
    answer.call.abort();
  }
  assert.equal((await send(backends, 'app')).body, 'hello');
  assert.equal(backend.sessions.length, 1);
});

test('an answer may have as many header fields as fit into its size', async () => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x-${i}`, 'v']));
  await using backend = await http2Backend((stream) =>
    stream.respond({ ':status': 200, ...many }, { endStream: true }),
  );
  await using backends = only(backend.port);
  assert.equal((await send(backends, 'app')).header('x-299'), 'v');
});

test('a silent stream is given up, and a session that does not answer a PING either', async () => {
  await using backend = await http2Backend(() => undefined);
  await using backends = only(backend.port, { timeouts: { idleMs: 80, connectMs: 100 } });
  const silent = await send(backends, 'app');
  assert.deepEqual([silent.failure, silent.detail], ['backend-timeout', 'no byte in 80 ms']);
  assert.equal(backends.states()[0]?.open, 1, 'the session is alive');

  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  await using dead = await rawBackend((socket) => socket.resume().write(settings));
  await using others = only(Number(new URL(dead.url).port), { timeouts: { idleMs: 80, connectMs: 100 } });
  assert.equal((await send(others, 'app')).failure, 'backend-timeout');
  await until(() => others.states()[0]?.open === 0, { what: 'the end of the session' });
});

test('however many silent streams make a session doubtful, it is asked once at a time and keeps nothing of it', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', note);
  let pings = 0;
  await using backend = await http2Backend((_stream, _headers, session) => {
    if (session.listenerCount('ping') === 0) session.on('ping', () => (pings += 1));
  });
  await using backends = only(backend.port, { timeouts: { idleMs: 80 } });
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await send(backends, 'app')));
  for (const { failure } of answers) assert.equal(failure, 'backend-timeout');
  await until(() => pings > 0);
  assert.equal((await send(backends, 'app')).failure, 'backend-timeout');
  await until(() => pings > 1, { what: 'another question' });
  process.off('warning', note);
  assert.deepEqual([pings, warnings, backends.states()[0]?.open], [2, [], 1]);
});

test('a reader that is slow holds the stream up, and the others go on', async () => {
  let sent = 0;
  await using backend = await http2Backend((stream, headers, session) => {
    if (headers[':path'] !== '/large') {
      hello(stream, headers, session);
      return;
    }
    stream.respond({ ':status': 200 });
    const more = (): void => {
      while (sent < 50_000_000 && !stream.destroyed) {
        sent += 16_384;
        if (!stream.write(Buffer.alloc(16_384))) break;
      }
    };
    stream.on('drain', more);
    more();
  });
  await using backends = only(backend.port);
  const large = begin(backends, 'app', { target: '/large' });
  await large.headed;
  large.call.pause();
  let before = -1;
  await until(
    () => {
      const still = sent === before;
      before = sent;
      return still;
    },
    { everyMs: 100 },
  );
  assert.ok(sent < 5_000_000, `${sent} bytes`);
  assert.equal((await send(backends, 'app')).body, 'hello');
  large.call.resume();
  await until(() => sent > before);
  large.call.abort();
});

test('over TLS the backend has to offer h2; without TLS something that is no HTTP/2 is told apart', async () => {
  const ca = await TestCa.create();
  const { fullchainPem, keyPem } = await ca.issue({ ipAddresses: ['127.0.0.1'] });
  await using secure = await http2Backend(hello, {}, { cert: fullchainPem, key: keyPem });
  const tls = { verify: true, caFiles: ['/ca.pem'], minVersion: 'TLSv1.2' } as const;
  const files = { '/ca.pem': ca.certPem };
  await using backends = startBackends({ app: backendOf([secure.port], { protocol: 'http2', tls }) }, { files });
  assert.equal((await send(backends, 'app')).body, 'hello');
  const https = (await import('node:https')).createServer({ cert: fullchainPem, key: keyPem, ALPNProtocols: [] });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  const { port } = https.address() as AddressInfo;
  await using no = startBackends({ app: backendOf([port], { protocol: 'http2', tls }) }, { files });
  const refused = await send(no, 'app');
  assert.equal(refused.failure, 'backend-tls');
  https.close();
  await using http1 = await rawBackend((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  );
  await using mute = await rawBackend(() => undefined);
  for (const { url } of [http1, mute]) {
    await using wrong = only(Number(new URL(url).port), { timeouts: { connectMs: 100 } });
    const answer = await send(wrong, 'app');
    assert.equal(answer.failure, 'backend-bad-answer');
    assert.match(answer.detail, /^no HTTP\/2: /);
  }
});

test('a WebSocket is an extended CONNECT where the backend takes it, and says clearly where it does not', async () => {
  let seen: Record<string, string> = {};
  await using backend = await http2Backend(
    (stream, headers) => {
      seen = headers;
      stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
      stream.pipe(stream);
    },
    { enableConnectProtocol: true },
  );
  await using backends = only(backend.port);
  const request = {
    upgrade: 'websocket',
    target: '/chat',
    headers: ['Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  } as const;
  const answer = await send(backends, 'app', request);
  assert.equal(answer.status, 200);
  assert.equal(answer.header('sec-websocket-protocol'), 'chat');
  assert.deepEqual(
    [seen[':method'], seen[':protocol'], seen[':path'], seen['sec-websocket-version'], seen['sec-websocket-key']],
    ['CONNECT', 'websocket', '/chat', '13', undefined],
  );
  const stream = (answer.stream as Duplex).resume();
  stream.write('ping');
  const [echo] = (await once(stream, 'data')) as [Buffer];
  assert.equal(echo.toString(), 'ping');
  assert.equal(backends.states()[0]?.active, 1, 'it counts while it is open');
  stream.destroy();
  await until(() => backends.states()[0]?.active === 0);
  await using plain = await http2Backend(hello);
  await using without = only(plain.port);
  const refused = await send(without, 'app', request);
  assert.equal(refused.failure, 'backend-unavailable');
  assert.match(refused.detail, /RFC 8441/);
  assert.equal(without.states()[0]?.state, 'up');
});

test('checks of an http2 backend are made over HTTP/2', async () => {
  const paths: string[] = [];
  await using backend = await http2Backend((stream, headers) => {
    paths.push(String(headers[':path']));
    stream.respond({ ':status': paths.length > 1 ? 500 : 200 }, { endStream: true });
  });
  await using backends = only(backend.port, {
    activeHealth: {
      path: '/ready',
      intervalMs: 20,
      timeoutMs: 2_000,
      healthyAfter: 1,
      unhealthyAfter: 1,
      status: [200, 200],
    },
  });
  await until(() => backends.states()[0]?.state === 'down', { what: 'the failed check' });
  assert.equal(backends.states()[0]?.reason, 'it answered 500');
  assert.ok(paths.every((path) => path === '/ready'));
});

test('with a PROXY header each client has sessions of its own, and those that nobody uses give way to others', async () => {
  const heads: string[] = [];
  await using backend = await rawBackend((socket) =>
    socket.once('data', (chunk: Buffer) => {
      heads.push(chunk.toString('latin1').split('\r\n', 1)[0] as string);
      socket.end();
    }),
  );
  await using refusing = only(Number(new URL(backend.url).port), { protocol: 'http2', proxyProtocol: 'v1' });
  const other = { ...client, address: '192.0.2.8' };
  const answers = await Promise.all([client, other, client].map((connection) => send(refusing, 'app', { connection })));
  for (const { failure } of answers) assert.equal(failure, 'backend-bad-answer');
  assert.deepEqual(heads.toSorted().slice(0, 2), [
    'PROXY TCP4 192.0.2.7 192.0.2.1 40000 443',
    'PROXY TCP4 192.0.2.8 192.0.2.1 40000 443',
  ]);
});

test('a unix socket speaks HTTP/2 as well', async () => {
  await using directory = await tempDir();
  const path = directory.join('h2.sock');
  const server = createServer();
  const sessions: ServerHttp2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.end('over a socket file');
  });
  server.listen(path);
  await once(server, 'listening');
  await using backends = startBackends({ app: backendOf([{ unixPath: path, weight: 1 }], { protocol: 'http2' }) });
  assert.equal((await send(backends, 'app')).body, 'over a socket file');
  for (const session of sessions) session.destroy();
  server.close();
});
