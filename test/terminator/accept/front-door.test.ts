/** The first bytes of connections through a whole terminator: supervisor, workers, sockets. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';
import { connect as tlsConnect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { defaultLimits, defaultTimeouts } from '../../../src/core/terminator.ts';
import { proxyHeader } from '../../../src/terminator/upstream/proxy-protocol-out.ts';
import { startBackend, type Echo } from '../../support/backend.ts';
import { fetchOnce } from '../../support/http.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { proxyRoute, respondRoute, routeTo, startTerminator, type TestTerminator } from '../support/harness.ts';
import { connectPlain, rawBackend, talk } from '../support/raw.ts';

const client = { address: '203.0.113.9', port: 4321, localAddress: '192.0.2.1', localPort: 443 };

function echoIn(answer: string): Echo {
  return JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as Echo;
}

/** TLS on a connection that something has been written to already. */
async function secureOver(socket: Socket, terminator: TestTerminator, servername: string): Promise<TLSSocket> {
  const secured = tlsConnect({ socket, servername, ca: terminator.ca.certPem, ALPNProtocols: ['http/1.1'] });
  await once(secured, 'secureConnect');
  return secured;
}

test('a trusted proxy says who the client is, over https and http; nobody else does', async () => {
  await using backend = await startBackend();
  const routes = [{ ...proxyRoute('a.test', backend.url), http: 'serve' as const }];
  const proxied = { proxyProtocol: { https: true, http: true }, trustedProxies: ['127.0.0.0/8'] };
  await using terminator = await startTerminator({ settings: proxied, routes });
  await terminator.serve('file/a', 1, 'a.test');
  const request = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';
  for (const version of ['v1', 'v2'] as const) {
    const raw = await connectPlain(terminator.httpsPort);
    raw.write(proxyHeader(version, client));
    const answer = await talk(await secureOver(raw, terminator, 'a.test'), request);
    const { headers } = echoIn(answer);
    assert.equal(headers['x-forwarded-for'], '203.0.113.9');
    const plain = await connectPlain(terminator.httpPort);
    plain.write(proxyHeader(version, client));
    const other = await talk(plain, request);
    const echo = echoIn(other);
    assert.deepEqual([echo.headers['x-forwarded-for'], echo.headers['x-forwarded-proto']], ['203.0.113.9', 'http']);
  }
  await assert.rejects(terminator.handshake('a.test'), 'a trusted proxy has to send one');
  const settings = { ...terminator.settings, trustedProxies: ['192.0.2.0/24'] };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  const { headers } = JSON.parse((await terminator.fetch('a.test', '/')).body) as Echo;
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  const forged = await connectPlain(terminator.httpPort);
  forged.write(proxyHeader('v1', client));
  assert.match(await talk(forged, request), /^HTTP\/1\.1 400 /);
});

test('https, TLS to TCP and passthrough share a port; names decide', async (t) => {
  const seen: string[] = [];
  await using database = await rawBackend((socket) => {
    socket.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString());
      socket.write(`re: ${chunk.toString()}`);
    });
    socket.once('end', () => socket.end());
  });
  const own = await farSite();
  const far = createTlsServer({ cert: own.leaf.fullchainPem, key: own.leaf.keyPem }, (socket) => {
    socket.end(`far ${String(socket.servername)}`);
  });
  far.listen(0, '127.0.0.1');
  t.after(() => far.close());
  await once(far, 'listening');
  const tcp = database.url.replace('http:', 'tcp:');
  const through = `tcp://127.0.0.1:${(far.address() as AddressInfo).port}`;
  await using terminator = await startTerminator({
    routes: [
      respondRoute('web.test', 'web'),
      routeTo('db.test', { kind: 'tcp', backend: tcp }),
      routeTo('*.far.test', { kind: 'passthrough', backend: through }),
    ],
  });
  await terminator.serve('file/web', 1, { dnsNames: ['web.test', 'db.test'] });
  assert.equal((await terminator.fetch('web.test', '/')).body, 'web');
  const socket = await terminator.handshake('db.test');
  assert.deepEqual(seen, []);
  socket.write('select 1');
  assert.equal(((await once(socket, 'data')) as [Buffer])[0].toString(), 're: select 1');
  socket.end();
  await once(socket, 'close');
  const passed = await terminator.handshake('x.far.test', { ca: own.caPem });
  assert.equal(((await once(passed, 'data')) as [Buffer])[0].toString(), 'far x.far.test');
  passed.destroy();
  // A host that is not spoken HTTP to is not reached through another host's connection.
  const misdirected = await terminator.fetch('db.test', '/', { servername: 'web.test' });
  assert.equal(misdirected.status, 421);
});

async function farSite(): Promise<{ caPem: string; leaf: { fullchainPem: string; keyPem: string } }> {
  const ca = await TestCa.create('Far CA');
  return { caPem: ca.certPem, leaf: await ca.issue({ dnsNames: ['*.far.test'] }) };
}

test('never (§5.3): a rotation and new settings leave tunnels alone', async () => {
  await using database = await rawBackend((socket) => socket.pipe(socket));
  const tcp = database.url.replace('http:', 'tcp:');
  await using terminator = await startTerminator({ routes: [routeTo('db.test', { kind: 'tcp', backend: tcp })] });
  await terminator.serve('file/db', 1, 'db.test');
  const socket = await terminator.handshake('db.test');
  const ask = async (text: string): Promise<string> => {
    socket.write(text);
    return ((await once(socket, 'data')) as [Buffer])[0].toString();
  };
  assert.equal(await ask('one'), 'one');
  await terminator.serve('file/db', 2, 'db.test');
  assert.equal(await ask('two'), 'two');
  const settings = { ...terminator.settings, limits: { ...defaultLimits, connections: 100 } };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  assert.equal(await ask('three'), 'three');
  socket.destroy();
});

test('tunnels end at the drain deadline, and a silent one after its idle time', async () => {
  await using database = await rawBackend((socket) => socket.pipe(socket));
  const tcp = database.url.replace('http:', 'tcp:');
  const timeouts = { ...defaultTimeouts, drainMs: 300, tunnelIdleMs: 0 };
  const terminator = await startTerminator({
    routes: [routeTo('db.test', { kind: 'tcp', backend: tcp })],
    settings: { timeouts },
  });
  try {
    await terminator.serve('file/db', 1, 'db.test');
    const silent = await terminator.handshake('db.test');
    await until(() => database.sockets.length === 1);
    const settings = { ...terminator.settings, timeouts: { ...timeouts, tunnelIdleMs: 500 } };
    await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
    await once(silent.resume(), 'close');
    await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings: terminator.settings }));
    const open = await terminator.handshake('db.test');
    open.on('error', () => undefined);
    await until(() => database.sockets.length === 2);
    const closed = new Promise((resolve) => open.resume().once('close', resolve));
    await terminator.supervisor.drain();
    await closed;
  } finally {
    await terminator[Symbol.asyncDispose]();
  }
});

test('at the limit of connections clients wait in the kernel, and get their turn', async () => {
  const limits = { ...defaultLimits, connections: 2 };
  await using terminator = await startTerminator({
    settings: { workers: 1, limits },
    routes: [respondRoute('a.test', 'a')],
  });
  await terminator.serve('file/a', 1, 'a.test');
  const request = async (): Promise<string> => (await terminator.fetch('a.test', '/')).body;
  for (let round = 0; round < 3; round += 1) {
    const held = [await terminator.handshake('a.test'), await terminator.handshake('a.test')];
    let answered = 0;
    const waiting = Array.from({ length: 4 }, async () => {
      assert.equal(await request(), 'a');
      answered += 1;
    });
    // They are connected, as far as they can see, and nobody has looked at them.
    const silent = await connectPlain(terminator.httpPort);
    silent.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([answered, silent.bytesRead], [0, 0]);
    for (const socket of held) socket.destroy();
    await Promise.all(waiting);
    silent.destroy();
  }
  // A new worker starts with the same limit and sockets.
  const [pid] = terminator.supervisor.status().workers.map((worker) => worker.pid) as [number];
  process.kill(pid, 'SIGKILL');
  await until(() => terminator.supervisor.status().workers[0]?.pid !== pid);
  assert.equal(await request(), 'a');
});

test('limits of a client and of handshakes close what exceeds them, and count', async () => {
  const limits = { ...defaultLimits, connectionsPerClient: 3 };
  await using terminator = await startTerminator({
    settings: { workers: 1, limits, metrics: { host: '127.0.0.1', port: 0 } },
    routes: [respondRoute('a.test', 'a')],
  });
  await terminator.serve('file/a', 1, 'a.test');
  const held = [
    await terminator.handshake('a.test'),
    await terminator.handshake('a.test'),
    await terminator.handshake('a.test'),
  ];
  await assert.rejects(terminator.handshake('a.test'));
  held[0]?.destroy();
  const again = await until(async () => await terminator.handshake('a.test').catch(() => undefined));
  again.destroy();
  for (const socket of held) socket.destroy();
  const settings = { ...terminator.settings, limits: { ...defaultLimits, handshakesPerSecond: 1 } };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, async () => (await terminator.handshake('a.test')).destroy()),
  );
  assert.ok(
    results.some(({ status }) => status === 'rejected') && results.some(({ status }) => status === 'fulfilled'),
  );
  await until(async () => {
    const { body } = await fetchOnce(`http://127.0.0.1:${terminator.supervisor.status().metricsPort}/metrics`);
    return (
      /limits_total\{limit="connections-per-client"\} [1-9]/.test(body) &&
      /limits_total\{limit="handshakes-per-second"\} [1-9]/.test(body)
    );
  });
});

test('addresses that come and go while clients connect: nobody is left on a socket that is not wanted any more', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  const base = terminator.httpsPort;
  const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  for (let i = 0; i < 6; i += 1) {
    const https = hosts.slice(0, 1 + (i % 3)).map((host) => ({ host, port: base }));
    const settings = { ...terminator.settings, https: i % 2 === 0 ? https : https.toReversed() };
    terminator.feed.publish({ kind: 'settings', settings });
  }
  const last = { ...terminator.settings, https: [{ host: '127.0.0.2', port: base }] };
  await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings: last }));
  assert.deepEqual(terminator.supervisor.status().problems, []);
  const open = async (host: string): Promise<boolean> => {
    const socket = await terminator.handshake('a.test', { host, port: base }).catch(() => undefined);
    socket?.destroy();
    return socket !== undefined;
  };
  assert.deepEqual([await open('127.0.0.1'), await open('127.0.0.2'), await open('127.0.0.3')], [false, true, false]);
});

test('a flood of garbage leaves neither connections nor workers behind', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'a')], settings: { workers: 1 } });
  await terminator.serve('file/a', 1, 'a.test');
  const before = terminator.supervisor.status().workers.map(({ pid }) => pid);
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const socket = await connectPlain(terminator.httpsPort);
        socket.on('error', () => undefined);
        const bytes = randomBytes(1 + ((round * 20 + i) % 400));
        if (i % 3 === 0) bytes[0] = 22;
        if (i % 4 === 0) Buffer.from([22, 3, 1, 0]).copy(bytes);
        socket.write(bytes);
        if (i % 2 === 0) socket.end();
        setTimeout(() => socket.destroy(), 20);
        await new Promise((resolve) => socket.resume().once('close', resolve));
      }),
    );
  }
  assert.equal((await terminator.fetch('a.test', '/')).body, 'a');
  await until(() => terminator.supervisor.status().workers[0]?.connections === 0, {
    what: 'the end of all connections',
  });
  assert.deepEqual(
    terminator.supervisor.status().workers.map(({ pid }) => pid),
    before,
  );
});
