import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { defaultLimits, defaultTimeouts } from '../../../src/core/terminator.ts';
import type { ClientHello } from '../../../src/terminator/accept/client-hello.ts';
import { Reception, type ReceptionDeps } from '../../../src/terminator/accept/reception.ts';
import type { Peer } from '../../../src/terminator/accept/peer.ts';
import { proxyHeader } from '../../../src/terminator/upstream/proxy-protocol-out.ts';
import { freePort } from '../../support/ports.ts';
import { tempDir } from '../../support/tempdir.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import { until } from '../../support/until.ts';
import { alpn, helloMessage, inRecords, sni, supportedVersions } from '../support/client-hellos.ts';
import { talk } from '../support/raw.ts';

type Settings = ConstructorParameters<typeof Reception>[0];

interface Served {
  readonly how: 'tls' | 'passthrough' | 'http';
  readonly peer: Peer;
  readonly socket: Socket;
  readonly firstBytes: Buffer | undefined;
  readonly hello?: ClientHello;
  readonly backend?: string;
}

interface Desk extends AsyncDisposable {
  readonly port: number;
  readonly reception: Reception;
  readonly served: Served[];
  readonly events: string[];
  connect(): Promise<Socket>;
  next(): Promise<Served>;
}

const plain: Settings = {
  proxyProtocol: { https: false, http: false },
  trustedProxies: [],
  timeouts: defaultTimeouts,
  limits: defaultLimits,
};
const proxied: Settings = { ...plain, proxyProtocol: { https: true, http: true }, trustedProxies: ['127.0.0.0/8'] };

async function startDesk(settings: Settings, protocol: 'https' | 'http' = 'https'): Promise<Desk> {
  const served: Served[] = [];
  const events: string[] = [];
  const clients: Socket[] = [];
  let taken = 0;
  const deps: ReceptionDeps = {
    passthroughFor: (host) => (host === 'through.test' ? 'far' : undefined),
    passThrough: (socket, { backend }, firstBytes, peer) =>
      void served.push({ how: 'passthrough', peer, socket, firstBytes, backend }),
    secure: (socket, hello, firstBytes, peer) => void served.push({ how: 'tls', peer, socket, firstBytes, hello }),
    serveHttp: (socket, peer, firstBytes) => void served.push({ how: 'http', peer, socket, firstBytes }),
    onFailure: (reason, where) => void events.push(`${where} ${reason}`),
    onLimit: (reason) => void events.push(`limit ${reason}`),
    onFull: (full) => void events.push(full ? 'full' : 'room'),
    onEmpty: () => void events.push('empty'),
  };
  const reception = new Reception(settings, deps);
  const server = createServer((socket) => reception.accept(socket, protocol));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    reception,
    served,
    events,
    async connect() {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      clients.push(socket);
      await once(socket, 'connect');
      return socket;
    },
    async next() {
      await until(() => served.length > taken, { what: 'a connection that is served' });
      taken += 1;
      return served[taken - 1] as Served;
    },
    async [Symbol.asyncDispose]() {
      reception.destroy();
      for (const client of clients) client.destroy();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

const bytesFor = (name: string | undefined): Buffer =>
  inRecords(
    helloMessage({ extensions: [...(name === undefined ? [] : [sni(name)]), alpn('h2'), supportedVersions(0x0304)] }),
  );

/** Nothing of ours may be left on a socket that is given away. */
function assertHandedOver(socket: Socket): void {
  assert.equal(socket.isPaused(), true);
  assert.equal(socket.readableLength, 0);
  assert.deepEqual([socket.listenerCount('data'), socket.listenerCount('readable')], [0, 0]);
  assert.equal(socket.listenerCount('close'), 1, 'but for the count of open connections');
}

test('a hello goes to TLS with every byte read, and with who the client is', async () => {
  await using desk = await startDesk(plain);
  const client = await desk.connect();
  const bytes = bytesFor('a.test');
  client.write(Buffer.concat([bytes, Buffer.from('early')]));
  const { how, hello, firstBytes, peer, socket } = await desk.next();
  assert.deepEqual([how, hello?.serverName, hello?.alpn], ['tls', 'a.test', ['h2']]);
  assert.deepEqual(firstBytes, Buffer.concat([bytes, Buffer.from('early')]));
  assert.deepEqual(peer, {
    protocol: 'https',
    address: '127.0.0.1',
    port: client.localPort,
    localAddress: '127.0.0.1',
    localPort: desk.port,
    trusted: false,
  });
  assertHandedOver(socket);
  assert.deepEqual(desk.events, []);
});

test('a hello in single bytes arrives whole', async () => {
  await using desk = await startDesk(plain);
  const client = await desk.connect();
  client.setNoDelay(true);
  const bytes = bytesFor('a.test');
  for (const byte of bytes) {
    client.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  const { hello, firstBytes, socket } = await desk.next();
  assert.equal(hello?.serverName, 'a.test');
  assert.deepEqual(firstBytes, bytes);
  assertHandedOver(socket);
});

test('a passthrough host goes to its backend, also as the default one of clients without a name', async () => {
  await using desk = await startDesk({ ...plain, defaultHost: 'through.test' });
  for (const name of ['through.test', undefined]) {
    (await desk.connect()).write(bytesFor(name));
    const { how, backend, firstBytes, socket } = await desk.next();
    assert.deepEqual([how, backend], ['passthrough', 'far']);
    assert.deepEqual(firstBytes, bytesFor(name));
    assertHandedOver(socket);
  }
  (await desk.connect()).write(bytesFor('a.test'));
  assert.equal((await desk.next()).how, 'tls');
});

test('plain HTTP on the port for TLS is told so, completely, however much it sends', async () => {
  await using desk = await startDesk(plain);
  const answer = await talk(
    await desk.connect(),
    `POST /upload HTTP/1.1\r\nHost: a.test\r\n\r\n${'x'.repeat(1_000_000)}`,
  );
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  const [head, body] = answer.split('\r\n\r\n') as [string, string];
  assert.match(head, new RegExp(`content-length: ${body.length}(?:\r|$)`, 'i'));
  assert.match(body, /https:\/\//);
  await until(() => desk.events.includes('empty'));
  assert.deepEqual(desk.events, ['https plain-http', 'empty']);
});

test('curl understands what it is told', { skip: await missingTools('curl') }, async () => {
  await using desk = await startDesk(plain);
  const curl = await findTool('curl');
  const { stdout } = await curl.run(['-sS', '-w', '%{http_code}', `http://127.0.0.1:${desk.port}/`]);
  assert.match(stdout, /https:\/\/[^]*400$/);
});

test('garbage gets an alert and the end', async () => {
  await using desk = await startDesk(plain);
  assert.equal(await talk(await desk.connect(), '\x00\x01garbage\r\n'), '\x15\x03\x03\x00\x02\x02\x32');
  await until(() => desk.events.includes('empty'));
  assert.deepEqual(desk.events, ['https not-tls', 'empty']);
});

test('a client that is too slow with its hello is closed', async () => {
  await using desk = await startDesk({ ...plain, timeouts: { ...defaultTimeouts, handshakeMs: 60 } });
  const startedAt = performance.now();
  const [slow, silent] = [await desk.connect(), await desk.connect()];
  slow.write(bytesFor('a.test').subarray(0, 30));
  await Promise.all([once(slow.resume(), 'close'), once(silent.resume(), 'close')]);
  assert.ok(performance.now() - startedAt >= 55);
  await until(() => desk.events.includes('empty'));
  assert.deepEqual(desk.events, ['https timeout', 'https timeout', 'empty']);
});

test('a client that leaves in the middle counts as gone, one that only looked does not', async () => {
  await using desk = await startDesk(plain);
  (await desk.connect()).destroy();
  await until(() => desk.events.length === 1);
  const half = await desk.connect();
  half.end(bytesFor('a.test').subarray(0, 30));
  await until(() => desk.events.length === 3);
  const reset = await desk.connect();
  reset.write('\x16');
  await until(() => desk.reception.size === 1);
  await new Promise(setImmediate);
  reset.resetAndDestroy();
  await until(() => desk.events.length >= 4 && desk.reception.size === 0);
  assert.deepEqual(desk.events.slice(0, 3), ['empty', 'https client-gone', 'empty']);
});

test('plain http is served as it is accepted', async () => {
  await using desk = await startDesk(plain, 'http');
  (await desk.connect()).write('GET / HTTP/1.1\r\n\r\n');
  const { how, firstBytes, socket, peer } = await desk.next();
  assert.deepEqual([how, firstBytes, peer.protocol], ['http', undefined, 'http']);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'GET / HTTP/1.1\r\n\r\n');
});

for (const version of ['v1', 'v2'] as const) {
  test(`a PROXY header (${version}) of a trusted proxy says who the client is, in one piece with the hello or not`, async () => {
    await using desk = await startDesk({ ...proxied, trustedProxies: ['127.0.0.1', '203.0.113.0/24'] });
    const header = proxyHeader(version, {
      address: '203.0.113.9',
      port: 1234,
      localAddress: '192.0.2.1',
      localPort: 443,
    });
    const bytes = bytesFor('a.test');
    const together = await desk.connect();
    together.write(Buffer.concat([header, bytes]));
    const apart = await desk.connect();
    for (const part of [header.subarray(0, 9), header.subarray(9), bytes.subarray(0, 1), bytes.subarray(1)]) {
      apart.write(part);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (let i = 0; i < 2; i += 1) {
      const { hello, firstBytes, peer, socket } = await desk.next();
      assert.equal(hello?.serverName, 'a.test');
      assert.deepEqual(firstBytes, bytes);
      assert.deepEqual(
        { ...peer },
        {
          protocol: 'https',
          address: '203.0.113.9',
          port: 1234,
          localAddress: '192.0.2.1',
          localPort: 443,
          trusted: true,
        },
      );
      assertHandedOver(socket);
    }
  });
}

test('PROXY: LOCAL keeps the connection as it is; plain http gets the bytes behind the header', async () => {
  await using desk = await startDesk(proxied, 'http');
  (await desk.connect()).write(Buffer.concat([proxyHeader('v2', undefined), Buffer.from('GET / HTTP/1.1\r\n\r\n')]));
  const { how, firstBytes, peer, socket } = await desk.next();
  assert.deepEqual([how, firstBytes?.toString(), peer.address], ['http', 'GET / HTTP/1.1\r\n\r\n', '127.0.0.1']);
  assertHandedOver(socket);
});

test('PROXY: a trusted proxy without a header, or with a broken one, is closed', async () => {
  await using desk = await startDesk(proxied);
  for (const bytes of [bytesFor('a.test'), Buffer.from('PROXY TCP4 a b c d\r\n')]) {
    const client = await desk.connect();
    client.write(bytes);
    await once(client.resume(), 'close');
  }
  await until(() => desk.events.length === 4);
  assert.deepEqual(desk.events, ['https proxy-header', 'empty', 'https proxy-header', 'empty']);
  assert.deepEqual(desk.served, []);
});

test('PROXY: whoever is not a trusted proxy is a client, and its header is no TLS', async () => {
  await using desk = await startDesk({ ...proxied, trustedProxies: ['192.0.2.0/24'] });
  (await desk.connect()).write(bytesFor('a.test'));
  assert.equal((await desk.next()).peer.address, '127.0.0.1');
  const forger = await desk.connect();
  const v2 = proxyHeader('v2', { address: '10.0.0.1', port: 1, localAddress: '10.0.0.2', localPort: 443 });
  forger.write(Buffer.concat([v2, bytesFor('a.test')]));
  await once(forger.resume(), 'close');
  assert.deepEqual(desk.events, ['https not-tls']);
});

test('HAProxy as the trusted proxy', { skip: await missingTools('haproxy') }, async () => {
  const haproxy = await findTool('haproxy');
  await using directory = await tempDir();
  for (const send of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl-cn']) {
    await using desk = await startDesk(proxied);
    const port = await freePort();
    const { writeFile } = await import('node:fs/promises');
    const file = directory.join(`${send}.cfg`);
    await writeFile(
      file,
      `defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
listen in
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${desk.port} ${send} check inter 100ms
`,
    );
    await using proxy = haproxy.spawn(['-db', '-f', file]);
    const bytes = bytesFor('a.test');
    const client = await until(async () => {
      assert.equal(proxy.exit, undefined, proxy.output);
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      return await Promise.race([
        once(socket, 'connect').then(() => socket),
        once(socket, 'close').then(() => undefined),
      ]).catch(() => undefined);
    });
    client.write(bytes);
    const { hello, firstBytes, peer } = await desk.next();
    assert.equal(hello?.serverName, 'a.test', send);
    assert.deepEqual(firstBytes, bytes);
    assert.deepEqual([peer.address, peer.port, peer.localPort], ['127.0.0.1', client.localPort, port]);
    client.destroy();
  }
});

const headerOf = (address: string): Buffer =>
  proxyHeader('v2', { address, port: 1, localAddress: '192.0.2.1', localPort: 443 });

test('limits: more connections of one client than allowed are closed; the client is the one behind the proxy', async () => {
  const limits = { ...defaultLimits, connectionsPerClient: 1 };
  await using desk = await startDesk({ ...proxied, limits });
  const first = await desk.connect();
  first.write(Buffer.concat([headerOf('198.51.100.1'), bytesFor('a.test')]));
  await desk.next();
  const second = await desk.connect();
  second.write(Buffer.concat([headerOf('198.51.100.1'), bytesFor('a.test')]));
  await once(second.resume(), 'close');
  (await desk.connect()).write(Buffer.concat([headerOf('198.51.100.2'), bytesFor('a.test')]));
  assert.equal((await desk.next()).peer.address, '198.51.100.2');
  assert.deepEqual(desk.events, ['limit connections-per-client']);
  first.destroy();
  desk.served[0]?.socket.destroy();
  await until(() => desk.reception.size === 1);
  (await desk.connect()).write(Buffer.concat([headerOf('198.51.100.1'), bytesFor('a.test')]));
  await desk.next();
});

test('limits: handshakes above the rate are closed, passthrough is none; full and room are told', async () => {
  const limits = { ...defaultLimits, handshakesPerSecond: 1, connections: 3 };
  await using desk = await startDesk({ ...plain, limits });
  (await desk.connect()).write(bytesFor('a.test'));
  await desk.next();
  const second = await desk.connect();
  second.write(bytesFor('a.test'));
  await once(second.resume(), 'close');
  (await desk.connect()).write(bytesFor('through.test'));
  await desk.next();
  await desk.connect();
  await until(() => desk.events.includes('full'));
  assert.deepEqual(desk.events, ['limit handshakes-per-second', 'limit connections', 'full']);
  desk.served[0]?.socket.destroy();
  await until(() => desk.events.includes('room'));
});

test('quiet: whoever still waits for its first bytes at the second look is closed', async () => {
  await using desk = await startDesk(plain);
  const waiting = await desk.connect();
  await until(() => desk.reception.size === 1);
  desk.reception.closeQuiet();
  const fresh = await desk.connect();
  await until(() => desk.reception.size === 2);
  desk.reception.closeQuiet();
  await once(waiting.resume(), 'close');
  fresh.write(bytesFor('a.test'));
  await desk.next();
  desk.reception.closeQuiet();
  desk.reception.closeQuiet();
  assert.equal(desk.reception.size, 1, 'what is served is nobody who waits');
});
