import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import test from 'node:test';
import { startBackend, type Echo } from '../../support/backend.ts';
import { until } from '../../support/until.ts';
import { proxyRoute, respondRoute, startTerminator, type TestTerminator } from '../support/harness.ts';
import { ask } from './support/ask.ts';
import { rawBackend } from '../support/raw.ts';

async function sessionTo(terminator: TestTerminator, host = 'a.test'): Promise<ClientHttp2Session> {
  const socket = await terminator.handshake(host, { ALPNProtocols: ['h2'] });
  assert.equal(socket.alpnProtocol, 'h2');
  const session = connect(`https://${host}`, { createConnection: () => socket });
  session.on('error', () => undefined);
  return session;
}

async function served(options: Parameters<typeof startTerminator>[0]): Promise<TestTerminator> {
  const terminator = await startTerminator(options);
  await terminator.serve('file/a', 1, { dnsNames: ['a.test', '*.a.test'] });
  return terminator;
}

test('HTTP/2 requests reach an HTTP/1.1 backend, many at once, with bodies, cookies and forwarding headers', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const session = await sessionTo(terminator);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      ask(
        session,
        { ':method': 'POST', ':path': `/n/${i}`, cookie: ['a=1', 'b=2'], 'x-own': String(i) },
        'x'.repeat(i * 10_000),
      ),
    ),
  );
  for (const [i, { status, body, headers }] of answers.entries()) {
    const echo = JSON.parse(body) as Echo;
    assert.equal(status, 200);
    assert.equal(echo.url, `/n/${i}`);
    assert.equal(echo.bodyBytes, i * 10_000);
    assert.equal(echo.headers['cookie'], 'a=1; b=2');
    assert.equal(echo.headers['x-own'], String(i));
    assert.equal(echo.headers['host'], 'a.test:443');
    assert.equal(echo.headers['x-forwarded-proto'], 'https');
    assert.equal(headers['connection'], undefined);
  }
  assert.equal((await ask(session, { ':method': 'HEAD' })).status, 200);
  session.close();
});

test('421 on HTTP/2 where a coalescing client asks for a host that the certificate does not carry', async () => {
  await using terminator = await served({
    routes: [respondRoute('a.test', 'a'), respondRoute('x.a.test', 'x'), respondRoute('c.test', 'c')],
  });
  await terminator.serve('file/c', 1, 'c.test');
  const session = await sessionTo(terminator);
  assert.equal((await ask(session, { ':authority': 'x.a.test' })).body, 'x');
  assert.equal((await ask(session, { ':authority': 'c.test' })).status, 421);
  assert.equal((await ask(session, { ':authority': 'unknown.test' })).status, 404);
  session.close();
});

test('requests with two readings are refused on HTTP/2, too', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const session = await sessionTo(terminator);
  const cases: OutgoingHttpHeaders[] = [
    { ':authority': 'a.test', host: 'b.test' },
    { ':path': '/x y' },
    { ':path': 'no-slash' },
    { ':authority': 'a.test/x' },
  ];
  for (const headers of cases) {
    const { status, rst } = await ask(session, headers);
    assert.ok(status === 400 || rst !== 0, JSON.stringify(headers));
  }
  assert.equal(backend.requests, 0);
  session.close();
});

test('a backend that breaks off is a stream error, one that is down a 502, and the session lives on', async () => {
  await using backend = await startBackend();
  await using breaking = await rawBackend((socket) =>
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n');
      setTimeout(() => socket.destroy(), 50);
    }),
  );
  await using terminator = await served({
    routes: [
      proxyRoute('a.test', backend.url),
      proxyRoute('a.test', 'http://127.0.0.1:1', '/dead'),
      proxyRoute('a.test', breaking.url, '/chunked'),
    ],
  });
  const session = await sessionTo(terminator);
  assert.equal((await ask(session, { ':path': '/cut?n=5000' })).rst, constants.NGHTTP2_INTERNAL_ERROR);
  const cut = await ask(session, { ':path': '/chunked' });
  assert.deepEqual([cut.body, cut.rst], ['begin', constants.NGHTTP2_INTERNAL_ERROR], 'without a length, too');
  const dead = await ask(session, { ':path': '/dead' });
  assert.deepEqual([dead.status, dead.body], [502, '502 Bad Gateway: backend-refused\n']);
  assert.equal((await ask(session)).status, 200);
  session.close();
});

test('a cancelled stream ends the backend request', async () => {
  await using backend = await rawBackend((socket) => socket.resume());
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const session = await sessionTo(terminator);
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => undefined);
  const socket = await until(() => backend.sockets[0]);
  stream.close(constants.NGHTTP2_CANCEL);
  await until(() => socket.destroyed, { what: 'the end of the backend request' });
  session.close();
});

test('trailers pass both ways, as gRPC needs them', async () => {
  let request = '';
  await using backend = await rawBackend((socket) =>
    socket.on('data', (chunk: Buffer) => {
      request += chunk.toString();
      if (!request.endsWith('\r\n\r\n') || !request.includes('\r\n0\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\n\r\n');
    }),
  );
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const session = await sessionTo(terminator);
  const stream = session.request({ ':method': 'POST', ':path': '/', te: 'trailers' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '4' }));
  stream.end('body');
  stream.resume();
  const [trailers] = (await once(stream, 'trailers')) as [Record<string, string>];
  assert.equal(trailers['grpc-status'], '0');
  assert.match(request, /4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n$/);
  session.close();
});

test('never (§5.3): an HTTP/2 session lives through rotations, also while it streams', async () => {
  await using backend = await startBackend();
  await using terminator = await served({ routes: [proxyRoute('a.test', backend.url)] });
  const session = await sessionTo(terminator);
  const streaming = ask(session, { ':path': '/stream?chunks=40&bytes=2000&ms=10' });
  for (let version = 2; version < 6; version += 1) {
    await terminator.serve('file/a', version, { dnsNames: ['a.test', '*.a.test'] });
    assert.equal((await ask(session, { ':path': `/${version}` })).status, 200);
  }
  const { status, body, rst } = await streaming;
  assert.deepEqual([status, body.length, rst], [200, 80_000, 0]);
  session.close();
});

test('requests behind the GOAWAY of their client are answered', async () => {
  await using terminator = await served({ routes: [respondRoute('a.test', 'last')] });
  const session = await sessionTo(terminator);
  await ask(session);
  const last = ask(session);
  session.close(); // goes out before the request
  assert.equal((await last).body, 'last');
  await once(session, 'close');
});
