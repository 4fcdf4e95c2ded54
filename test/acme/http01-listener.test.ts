import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { once } from 'node:events';
import test from 'node:test';
import { createHttp01Listener } from '../../src/acme/http01-listener.ts';
import { CertplaneError, hasCode } from '../../src/core/errors.ts';
import type { Challenge } from '../../src/core/ports/challenge-solver.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { fetchOnce } from '../support/http.ts';
import { freePort } from '../support/ports.ts';

const signal = new AbortController().signal;

function challenge(token: string): Challenge {
  const keyAuthorization = `${token}.thumbprint`;
  return { type: 'http-01', identifier: 'shop.example.com', token, keyAuthorization, certificateId: 'file/shop' };
}

async function opens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('the listener is open only while something is presented', async () => {
  const port = await freePort();
  await using listener = createHttp01Listener({ listen: { host: '127.0.0.1', port }, log: silentLog });
  assert.equal(await opens(port), false);
  await Promise.all([listener.present(challenge('one'), signal), listener.present(challenge('two'), signal)]);
  await listener.present(challenge('one'), signal);
  assert.equal(await opens(port), true);
  await listener.cleanUp(challenge('one'), signal);
  await listener.cleanUp(challenge('never presented'), signal);
  assert.equal(await opens(port), true, 'the other answer is still asked for');
  await listener.cleanUp(challenge('two'), signal);
  assert.equal(await opens(port), false);
  await listener.present(challenge('three'), signal);
  assert.equal(await opens(port), true, 'it opens again');
});

test('it answers the path of a presented token and nothing else', async () => {
  const port = await freePort();
  await using listener = createHttp01Listener({ listen: { host: '127.0.0.1', port }, log: silentLog });
  await listener.present(challenge('the-token'), signal);
  const get = async (path: string, method = 'GET') => await fetchOnce(`http://127.0.0.1:${port}${path}`, { method });
  const good = await get('/.well-known/acme-challenge/the-token');
  assert.equal(good.status, 200);
  assert.equal(good.body, 'the-token.thumbprint');
  assert.equal(good.headers.connection, 'close');
  assert.equal((await get('/.well-known/acme-challenge/the-token', 'HEAD')).status, 200);
  for (const path of [
    '/',
    '/.well-known/acme-challenge/',
    '/.well-known/acme-challenge/other',
    '/the-token',
    '/.well-known/acme-challenge/the-token/..',
    '/.well-known/acme-challenge/constructor',
  ])
    assert.equal((await get(path)).status, 404, path);
  assert.equal((await get('/.well-known/acme-challenge/the-token', 'POST')).status, 404);
});

test('an address that is taken is named with what to do, and the listener can be used again afterwards', async () => {
  const port = await freePort();
  const listen = { host: '127.0.0.1', port };
  await using taken = createHttp01Listener({ listen, log: silentLog });
  await using listener = createHttp01Listener({ listen, log: silentLog });
  await taken.present(challenge('one'), signal);
  await assert.rejects(listener.present(challenge('two'), signal), (error) => {
    assert.ok(error instanceof CertplaneError);
    assert.equal(error.code, 'challenge.present-failed');
    assert.ok(error.message.includes(`127.0.0.1:${port} (EADDRINUSE)`));
    return true;
  });
  await taken.cleanUp(challenge('one'), signal);
  await listener.present(challenge('two'), signal);
  assert.equal(await opens(port), true);
});

test('an address that is not of this machine is refused by name', async () => {
  await using listener = createHttp01Listener({ listen: { host: '192.0.2.1', port: 8080 }, log: silentLog });
  await assert.rejects(
    listener.present(challenge('x'), signal),
    /192\.0\.2\.1:8080 \(EADDRNOTAVAIL\).*address of this machine/,
  );
});

test('never (§5.10): after disposal nothing listens, also with a stalled client, and disposing twice is fine', async () => {
  const port = await freePort();
  const listener = createHttp01Listener({ listen: { host: '127.0.0.1', port }, log: silentLog });
  await listener.present(challenge('one'), signal);
  const stalled = connect(port, '127.0.0.1');
  await once(stalled, 'connect');
  stalled.write('GET / HT');
  const closed = new Promise((resolve) => stalled.on('error', () => undefined).once('close', resolve));
  await listener[Symbol.asyncDispose]();
  await listener[Symbol.asyncDispose]();
  await closed;
  assert.equal(await opens(port), false);
});

test('an aborted present opens nothing', async () => {
  const port = await freePort();
  await using listener = createHttp01Listener({ listen: { host: '127.0.0.1', port }, log: silentLog });
  await assert.rejects(listener.present(challenge('one'), AbortSignal.abort()), (error) =>
    hasCode(error, 'process.aborted'),
  );
  assert.equal(await opens(port), false);
});
