import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import test from 'node:test';
import { startBackend } from '../../support/backend.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';
import { rawBackend, type RawBackend } from '../support/raw.ts';
import { Answer, backendOf, begin, send, startBackends } from './support/backends.ts';

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

function portOf({ url }: RawBackend): number {
  return Number(new URL(url).port);
}

test('a refused connection goes to another endpoint, whatever the request is: nothing of it was sent', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([1, backend.port]) });
  for (let i = 0; i < 4; i += 1) {
    const answer = await send(backends, 'app', { method: 'POST', body: 'chunked' }, new Answer(['body']));
    assert.equal(answer.status, 200);
    assert.equal(answer.ready, 1);
    assert.equal(answer.call.endpoint, `127.0.0.1:${backend.port}`);
  }
});

test('a request that may be repeated is, on another endpoint, at most as often as the settings say', async () => {
  let asked = 0;
  const breakOff = (socket: Socket): void => {
    socket.once('data', () => {
      asked += 1;
      socket.resetAndDestroy();
    });
  };
  await using bad = await rawBackend(breakOff);
  await using bad2 = await rawBackend(breakOff);
  await using good = await startBackend();
  const port = portOf(bad);
  const unlimited = { passiveHealth: { failures: 0, ejectMs: 1 } };
  await using backends = startBackends({
    one: backendOf([port, good.port], { retries: 1, ...unlimited }),
    none: backendOf([port, good.port], { retries: 0, ...unlimited }),
    all: backendOf([port, portOf(bad2)], { retries: 5, ...unlimited }),
  });
  for (let i = 0; i < 4; i += 1) assert.equal((await send(backends, 'one')).status, 200);
  assert.equal(asked, 2, 'every second request began at the bad one');
  const outcomes = [await send(backends, 'none'), await send(backends, 'none')].map(({ failure }) => failure);
  assert.deepEqual(new Set(outcomes), new Set(['backend-reset', undefined]));
  asked = 0;
  assert.equal((await send(backends, 'all')).failure, 'backend-reset');
  assert.equal(asked, 2, 'each endpoint once');
});

test('a request that may not be repeated is not: by its method, by its body, after the first byte', async () => {
  let asked = 0;
  await using bad = await rawBackend((socket) =>
    socket.once('data', (chunk: Buffer) => {
      asked += 1;
      if (chunk.includes('/begun')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
      if (chunk.includes('/early')) socket.write('HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n');
      setImmediate(() => socket.resetAndDestroy());
    }),
  );
  await using good = await startBackend();
  // By these weights the first hundreds of requests begin at the bad one.
  await using backends = startBackends({
    app: backendOf(
      [
        { host: '127.0.0.1', port: portOf(bad), weight: 1000 },
        { host: '127.0.0.1', port: good.port, weight: 1 },
      ],
      { passiveHealth: { failures: 0, ejectMs: 1 } },
    ),
  });
  for (const request of [
    { method: 'POST' },
    { method: 'PUT', body: 'chunked' },
    { method: 'GET', target: '/begun' },
    { method: 'GET', target: '/early' },
  ] as const) {
    const answer = await send(backends, 'app', request, new Answer('body' in request ? ['x'] : undefined));
    assert.notEqual(answer.failure, undefined, JSON.stringify(request));
  }
  assert.equal(asked, 4);
  assert.equal(good.requests, 0);
  assert.equal((await send(backends, 'app')).status, 200);
  assert.deepEqual([asked, good.requests], [5, 1], 'while one that may be is');
});

test('a connection that the backend closed while it was idle does not show', async () => {
  let connections = 0;
  await using backend = await rawBackend((socket, index) => {
    connections += 1;
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      // The second request on the first connection finds it closed.
      if (index === 0 && requests === 2) socket.resetAndDestroy();
      else socket.write(ok);
    });
  });
  await using backends = startBackends({ app: backendOf([portOf(backend)], { retries: 0 }) });
  assert.equal((await send(backends, 'app')).body, 'ok');
  await settled();
  assert.equal((await send(backends, 'app')).body, 'ok');
  assert.equal(connections, 2);
  assert.equal(backends.states()[0]?.state, 'up');
});

test('a POST on such a connection is not sent again', async () => {
  await using backend = await rawBackend((socket) => {
    let requests = 0;
    socket.on('data', () => {
      requests += 1;
      if (requests === 2) socket.resetAndDestroy();
      else socket.write(ok);
    });
  });
  await using backends = startBackends({ app: backendOf([portOf(backend)]) });
  assert.equal((await send(backends, 'app')).body, 'ok');
  await settled();
  assert.equal((await send(backends, 'app', { method: 'POST' })).failure, 'backend-reset');
  assert.equal(backend.sockets.length, 1);
});

test('an endpoint that fails several times in a row is left out for a time, but never the last one', async () => {
  await using good = await startBackend();
  const dead = await freePort();
  await using backends = startBackends({
    app: backendOf([dead, good.port], { passiveHealth: { failures: 2, ejectMs: 60_000 } }),
    last: backendOf([dead], { passiveHealth: { failures: 2, ejectMs: 60_000 } }),
  });
  for (let i = 0; i < 6; i += 1) assert.equal((await send(backends, 'app')).status, 200);
  const state = backends.states().find(({ endpoint, backend }) => backend === 'app' && endpoint.endsWith(`:${dead}`));
  assert.deepEqual([state?.state, state?.requests], ['ejected', 2]);
  assert.match(state?.reason ?? '', /backend-refused/);
  assert.deepEqual(
    backends.warnings.map(({ backend, endpoint }) => [backend, endpoint]),
    [['app', `127.0.0.1:${dead}`]],
  );
  for (let i = 0; i < 4; i += 1) assert.equal((await send(backends, 'last')).failure, 'backend-refused');
});

test('gateway errors count against an endpoint, other answers do not', async () => {
  await using one = await startBackend();
  await using two = await startBackend();
  await using backends = startBackends({
    app: backendOf([one.port, two.port], { passiveHealth: { failures: 1, ejectMs: 60_000 } }),
  });
  for (const status of [500, 404, 501])
    assert.equal((await send(backends, 'app', { target: `/status/${status}` })).status, status);
  assert.deepEqual(
    backends.states().map(({ state }) => state),
    ['up', 'up'],
  );
  assert.equal((await send(backends, 'app', { target: '/status/503' })).status, 503, 'passed on as it is');
  assert.equal(backends.states().filter(({ state }) => state === 'ejected').length, 1);
});

test('the circuit breaker answers at once what is too much, and the rest goes on', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([backend.port], { maxRequests: 2 }) });
  const first = [begin(backends, 'app', { target: '/hang' }), begin(backends, 'app', { target: '/hang' })];
  const third = begin(backends, 'app');
  assert.equal(third.failure, 'backend-overloaded');
  first[0]?.call.abort();
  assert.equal((await send(backends, 'app')).status, 200);
  first[1]?.call.abort();
});

test('connections are bounded per endpoint: requests wait for one, in order, for a time', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({
    app: backendOf([backend.port], { maxConnections: 2, timeouts: { connectMs: 400 } }),
  });
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(backends, 'app')));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(backend.connections, 2);
  const hanging = [begin(backends, 'app', { target: '/hang' }), begin(backends, 'app', { target: '/hang' })];
  const waiting = begin(backends, 'app');
  const left = begin(backends, 'app');
  left.call.abort();
  await waiting.done;
  assert.equal(waiting.failure, 'backend-overloaded');
  for (const answer of hanging) answer.call.abort();
  await until(() => backends.states()[0]?.open === 0);
  assert.equal((await send(backends, 'app')).status, 200);
});

test('an endpoint whose connections are all taken is passed over while others have room', async () => {
  await using one = await startBackend();
  await using two = await startBackend();
  await using backends = startBackends({ app: backendOf([one.port, two.port], { maxConnections: 1 }) });
  const hanging = begin(backends, 'app', { target: '/hang' });
  for (let i = 0; i < 4; i += 1) assert.equal((await send(backends, 'app')).status, 200);
  assert.deepEqual([one.connections, two.connections], [1, 1]);
  hanging.call.abort();
});

test('least connections keeps away from an endpoint that is slow', async () => {
  await using slow = await startBackend();
  await using fast = await startBackend();
  await using backends = startBackends({
    app: backendOf([slow.port, fast.port], { balance: { kind: 'least-connections' } }),
  });
  const hanging = begin(backends, 'app', { target: '/hang' });
  await until(() => slow.requests + fast.requests === 1);
  const [busy, free] = slow.requests === 1 ? [slow, fast] : [fast, slow];
  for (let i = 0; i < 5; i += 1) await send(backends, 'app');
  assert.deepEqual([busy.requests, free.requests], [1, 5]);
  hanging.call.abort();
});

/** Until a connection that has served is offered again. */
async function settled(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
