import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { WebSocket } from 'ws';
import { startBackend, type Echo } from '../support/backend.ts';
import { proxyRoute, respondRoute, startTerminator } from './support/harness.ts';
import { connectPlain, talk } from './support/raw.ts';

const hour = 3_600_000;

test('http leads to https with 308 only where a certificate that is valid now stands', async () => {
  await using terminator = await startTerminator({
    routes: [respondRoute('a.test', 'a'), respondRoute('none.test', 'n'), respondRoute('old.test', 'o')],
  });
  await terminator.serve('file/a', 1, 'a.test');
  await terminator.serve('file/old', 1, {
    dnsNames: ['old.test'],
    notBefore: new Date(Date.now() - 9 * hour),
    notAfter: new Date(Date.now() - hour),
  });
  const good = await terminator.plain('a.test:8080', '/p?q=1', { method: 'POST', body: 'x' });
  assert.equal(good.status, 308);
  assert.equal(good.headers['location'], `https://a.test:${terminator.httpsPort}/p?q=1`);
  const none = await terminator.plain('none.test', '/');
  assert.deepEqual([none.status, none.body], [503, '503 Service Unavailable: no certificate for this host yet\n']);
  assert.ok(Number(none.headers['retry-after']) > 0);
  const old = await terminator.plain('old.test', '/');
  assert.deepEqual([old.status, old.body], [503, '503 Service Unavailable: the certificate has expired\n']);
  assert.equal((await terminator.plain('unknown.test', '/')).status, 404);
  // Later, without any restart:
  await terminator.serve('file/none', 1, 'none.test');
  assert.equal((await terminator.plain('none.test', '/')).status, 308);
  await terminator.feed.acknowledged(terminator.feed.remove('certificate/file/a'));
  assert.equal((await terminator.plain('a.test', '/')).status, 503);
});

test('a challenge is answered by every worker before its revision is acknowledged, for whatever host', async () => {
  await using terminator = await startTerminator({ settings: { workers: 3 } });
  const { feed } = terminator;
  for (let round = 0; round < 10; round += 1) {
    const token = `token-${round}`;
    const item = {
      kind: 'challenge',
      type: 'http-01',
      token,
      identifier: 'x.test',
      keyAuthorization: `${token}.thumb`,
    } as const;
    await feed.acknowledged(feed.publish(item));
    // Each connection may be another worker's.
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => terminator.plain('any.test', `/.well-known/acme-challenge/${token}`)),
    );
    for (const { status, body } of answers) assert.deepEqual([status, body], [200, item.keyAuthorization]);
    await feed.acknowledged(feed.remove(`challenge/${token}`));
    const { status } = await terminator.plain('any.test', `/.well-known/acme-challenge/${token}`);
    assert.equal(status, 404);
  }
});

test('the http listener is as strict about requests as https', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'a')] });
  const smuggled =
    'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  assert.match(await talk(await connectPlain(terminator.httpPort), smuggled), /^HTTP\/1\.1 400 /);
});

test('a route that is served over http needs no certificate, WebSocket included; the others lead to https', async () => {
  await using backend = await startBackend();
  const open = { ...proxyRoute('a.test', backend.url, '/open'), http: 'serve' as const };
  await using terminator = await startTerminator({ routes: [open, respondRoute('a.test', 'a')] });
  const echo = JSON.parse((await terminator.plain('a.test', '/open/x')).body) as Echo;
  assert.deepEqual([echo.url, echo.headers['x-forwarded-proto']], ['/open/x', 'http']);
  assert.equal((await terminator.plain('a.test', '/closed')).status, 503);
  await terminator.serve('file/a', 1, 'a.test');
  assert.equal((await terminator.plain('a.test', '/closed')).status, 308);
  assert.equal((await terminator.plain('a.test', '/open')).status, 200);
  const socket = new WebSocket(`ws://127.0.0.1:${terminator.httpPort}/open`, { headers: { host: 'a.test' } });
  await once(socket, 'open');
  socket.send('hello');
  const [data] = (await once(socket, 'message')) as [Buffer];
  assert.equal(data.toString(), 'hello');
  socket.terminate();
  const upgrade = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.match(await talk(await connectPlain(terminator.httpPort), upgrade), /^HTTP\/1\.1 308 /);
});

test('a challenge is answered before any route, also of a host that is served over http', async () => {
  await using backend = await startBackend();
  const open = { ...proxyRoute('a.test', backend.url), http: 'serve' as const };
  await using terminator = await startTerminator({ routes: [open] });
  const missing = await terminator.plain('a.test', '/.well-known/acme-challenge/nothing');
  assert.deepEqual([missing.status, missing.body, backend.requests], [404, '404 Not Found: no such challenge\n', 0]);
});
