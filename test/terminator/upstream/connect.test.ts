import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'node:test';
import type { BackendFailure, CallerConnection } from '../../../src/terminator/upstream/backend.ts';
import { rawBackend, type RawBackend } from '../support/raw.ts';
import { TestCa } from '../../support/test-ca.ts';
import { startBackend } from '../../support/backend.ts';
import { until } from '../../support/until.ts';
import { backendOf, client, startBackends, type TestBackends } from './support/backends.ts';

interface Connected {
  socket?: Socket;
  endpoint?: string;
  failure?: BackendFailure;
  detail?: string;
}

function connecting(
  backends: TestBackends,
  caller: CallerConnection = client,
): { result: Promise<Connected>; abort(): void } {
  const { promise, resolve } = Promise.withResolvers<Connected>();
  const attempt = backends.connect('app', caller, {
    onConnected: (socket, endpoint) => resolve({ socket, endpoint }),
    onFailure: (failure, detail) => resolve({ failure, detail }),
  });
  return { result: promise, abort: () => attempt.abort() };
}

function portOf({ url }: RawBackend): number {
  return Number(new URL(url).port);
}

/** Says what it gets. */
function echo(): Promise<RawBackend> {
  return rawBackend((socket) => socket.on('data', (chunk: Buffer) => socket.write(chunk)));
}

test('bytes go to an endpoint and back; each side may end its own direction first', async () => {
  await using backend = await rawBackend((socket) => {
    socket.on('end', () => socket.end('after your end'));
    socket.resume();
  });
  await using backends = startBackends({ app: backendOf([1, portOf(backend)], { protocol: 'tcp' }) });
  const { socket, endpoint } = await connecting(backends).result;
  assert.equal(endpoint, `127.0.0.1:${portOf(backend)}`);
  assert.equal(
    backends.states().reduce((sum, { active }) => sum + active, 0),
    1,
  );
  let text = '';
  socket?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket?.end('x');
  await once(socket as Socket, 'close');
  assert.equal(text, 'after your end');
  await until(() => backends.states().every(({ active, open }) => active === 0 && open === 0));
});

test('refused everywhere: the reason is the last one; an unhealthy name and a full backend say so', async () => {
  await using backends = startBackends({
    app: backendOf([1, { host: '127.0.0.1', port: 2, weight: 1 }], { protocol: 'tcp' }),
  });
  assert.deepEqual(await connecting(backends).result, { failure: 'backend-refused', detail: 'ECONNREFUSED' });
  await using backend = await echo();
  await using full = startBackends({ app: backendOf([portOf(backend)], { protocol: 'tcp', maxRequests: 1 }) });
  const { socket } = await connecting(full).result;
  assert.equal((await connecting(full).result).failure, 'backend-overloaded');
  socket?.destroy();
  await until(() => full.states()[0]?.active === 0);
  (await connecting(full).result).socket?.destroy();
});

test('a connection waits for a free one where they are bounded', async () => {
  await using backend = await echo();
  await using backends = startBackends({
    app: backendOf([portOf(backend)], { protocol: 'tcp', maxConnections: 1, timeouts: { connectMs: 200 } }),
  });
  const first = await connecting(backends).result;
  const second = connecting(backends);
  first.socket?.destroy();
  const { socket } = await second.result;
  assert.ok(socket !== undefined);
  const third = connecting(backends);
  third.abort();
  assert.equal((await connecting(backends).result).failure, 'backend-overloaded');
  socket.destroy();
});

test('who aborts hears nothing', async () => {
  await using backend = await echo();
  await using backends = startBackends({ app: backendOf([portOf(backend)], { protocol: 'tcp' }) });
  const one = connecting(backends);
  one.abort();
  const other = connecting(backends);
  await Promise.resolve(); // it has begun by now
  other.abort();
  const { socket } = await connecting(backends).result;
  assert.deepEqual(
    backends.states().map(({ active }) => active),
    [1],
  );
  socket?.destroy();
});

test('one client is kept at one endpoint by its address', async () => {
  await using one = await echo();
  await using two = await echo();
  await using backends = startBackends({
    app: backendOf([portOf(one), portOf(two)], { protocol: 'tcp', balance: { kind: 'hash', key: 'client-address' } }),
  });
  const ends = new Map<string, Set<string | undefined>>();
  for (let i = 0; i < 16; i += 1) {
    const address = `192.0.2.${i % 8}`;
    const { socket, endpoint } = await connecting(backends, { ...client, address }).result;
    socket?.destroy();
    ends.set(address, (ends.get(address) ?? new Set()).add(endpoint));
  }
  for (const [address, used] of ends) assert.equal(used.size, 1, address);
  assert.equal(new Set([...ends.values()].map(([...used]) => used[0])).size, 2);
});

test('the PROXY header comes before everything else, before TLS too', async () => {
  await using plain = await rawBackend((socket) => socket.on('data', (chunk: Buffer) => socket.write(chunk)));
  await using backends = startBackends({ app: backendOf([portOf(plain)], { protocol: 'tcp', proxyProtocol: 'v1' }) });
  const { socket } = await connecting(backends).result;
  const [said] = (await once(socket as Socket, 'data')) as [Buffer];
  assert.equal(said.toString(), 'PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n');
  socket?.destroy();
  let first = '';
  await using secure = await rawBackend((socket) =>
    socket.once('data', (chunk: Buffer) => {
      first = chunk.toString('latin1');
      socket.destroy();
    }),
  );
  const tls = { verify: false, caFiles: [], minVersion: 'TLSv1.2' } as const;
  await using over = startBackends({ app: backendOf([portOf(secure)], { protocol: 'tcp', proxyProtocol: 'v2', tls }) });
  assert.equal((await connecting(over).result).failure, 'backend-tls');
  assert.ok(first.startsWith('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c'), 'the header comes first');
});

test('TLS to a tcp backend is verified, too', async () => {
  const ca = await TestCa.create();
  const leaf = await ca.issue({ ipAddresses: ['127.0.0.1'] });
  await using backend = await startBackend({ tls: { certPem: leaf.fullchainPem, keyPem: leaf.keyPem } });
  const tls = { verify: true, caFiles: ['/ca.pem'], minVersion: 'TLSv1.2' } as const;
  await using backends = startBackends(
    { app: backendOf([backend.port], { protocol: 'tcp', tls }) },
    { files: { '/ca.pem': ca.certPem } },
  );
  const { socket } = await connecting(backends).result;
  socket?.write('GET /status/204 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const [answer] = (await once(socket as Socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 204 /);
  socket?.destroy();
});
