import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import test from 'node:test';
import { connect as tlsConnect, createSecureContext, createServer as createTlsServer, TLSSocket } from 'node:tls';
import type { Peer } from '../../../src/terminator/accept/peer.ts';
import { TcpFront, type TunnelSummary } from '../../../src/terminator/tcp/tcp-front.ts';
import type { Backends, ConnectEvents } from '../../../src/terminator/upstream/backend.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';

const peer: Peer = {
  protocol: 'https',
  address: '192.0.2.1',
  port: 1234,
  localAddress: '127.0.0.1',
  localPort: 443,
  trusted: false,
};

const db = { backend: 'db', host: 'db.test' };

interface Stage extends AsyncDisposable {
  readonly front: TcpFront;
  readonly summaries: TunnelSummary[];
  readonly failures: string[];
  /** Connections that the backend has taken. */
  readonly backends: Socket[];
  idleMs: number;
  now: number;
  tick(): void;
  ticking: number;
  aborted: number;
  /** A client's connection and our end of it. */
  client(): Promise<[client: Socket, ours: Socket]>;
  /** The backend's end of the tunnel made last. */
  backend(count?: number): Promise<Socket>;
}

interface StageOptions {
  /** Instead of connecting. */
  readonly connect?: (events: ConnectEvents) => void;
}

async function stage(options: StageOptions = {}): Promise<Stage> {
  const backends: Socket[] = [];
  const sockets: Socket[] = [];
  const ours: Socket[] = [];
  const listen = async (onConnection: (socket: Socket) => void): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      sockets.push(socket);
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  const backendServer = await listen((socket) => void backends.push(socket));
  const frontServer = createServer((socket) => void ours.push(socket));
  frontServer.listen(0, '127.0.0.1');
  await once(frontServer, 'listening');
  let tick: (() => void) | undefined;
  const made = {
    summaries: [] as TunnelSummary[],
    failures: [] as string[],
    backends,
    idleMs: 0,
    now: 0,
    ticking: 0,
    aborted: 0,
    tick: () => tick?.(),
  };
  const events: Pick<Backends, 'connect'> = {
    connect: (backend, _caller, on) => {
      assert.equal(backend, 'db');
      if (options.connect !== undefined) {
        options.connect(on);
        return { abort: () => void (made.aborted += 1) };
      }
      const socket = connect({
        port: (backendServer.address() as AddressInfo).port,
        host: '127.0.0.1',
        allowHalfOpen: true,
      });
      socket.once('connect', () => on.onConnected(socket, 'endpoint'));
      return { abort: () => void socket.destroy() };
    },
  };
  const front = new TcpFront({
    backends: events,
    tunnelIdleMs: () => made.idleMs,
    onClosed: (summary) => void made.summaries.push(summary),
    onBackendFailure: ({ backend, failure, detail }) => void made.failures.push(`${backend} ${failure} ${detail}`),
    now: () => made.now,
    every: (_ms, run) => {
      tick = run;
      made.ticking += 1;
      return () => void (made.ticking -= 1);
    },
  });
  return Object.assign(made, {
    front,
    async client(): Promise<[Socket, Socket]> {
      const count = ours.length;
      const socket = connect({
        port: (frontServer.address() as AddressInfo).port,
        host: '127.0.0.1',
        allowHalfOpen: true,
      });
      socket.on('error', () => undefined);
      sockets.push(socket);
      await until(() => ours.length > count);
      return [socket, ours[count] as Socket];
    },
    async backend(count = 1): Promise<Socket> {
      await until(() => backends.length >= count, { what: 'the connection to the backend' });
      return backends[count - 1] as Socket;
    },
    async [Symbol.asyncDispose]() {
      front.destroy();
      for (const socket of [...sockets, ...ours]) socket.destroy();
      for (const server of [backendServer, frontServer]) {
        server.close();
        if (server.listening) await once(server, 'close');
      }
    },
  });
}

/** Until the other side ends its direction; this one stays open. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.once('end', resolve).once('close', resolve);
  await promise;
  return Buffer.concat(chunks);
}

test('bytes go both ways, the first ones before all others, and each side ends in its own time', async () => {
  await using on = await stage();
  const [client, ours] = await on.client();
  on.front.passThrough(ours, db, Buffer.from('hello '), peer);
  client.end('world');
  const backend = await on.backend();
  assert.equal((await readAll(backend)).toString(), 'hello world');
  // The client has ended, and still gets its answer.
  assert.equal(on.front.size, 1);
  backend.write('one ');
  backend.end('two');
  assert.equal((await readAll(client)).toString(), 'one two');
  await until(() => on.summaries.length === 1);
  assert.deepEqual(on.summaries, [
    {
      kind: 'passthrough',
      backend: 'db',
      endpoint: 'endpoint',
      client: peer,
      host: 'db.test',
      receivedBytes: 11,
      sentBytes: 7,
      durationMs: 0,
      reason: 'closed',
    },
  ]);
  assert.deepEqual([on.front.size, on.ticking], [0, 0], 'nothing is left behind');
});

test('a backend that ends first leaves the client its direction', async () => {
  await using on = await stage();
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  const backend = await on.backend();
  backend.end('bye');
  assert.equal((await readAll(client)).toString(), 'bye');
  client.end('late words');
  assert.equal((await readAll(backend)).toString(), 'late words');
  await until(() => on.summaries[0]?.reason === 'closed');
});

test('a slow reader holds up the sender, and gets everything', async () => {
  await using on = await stage();
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  const backend = await on.backend();
  const block = randomBytes(1 << 20);
  const total = 24;
  // The client writes as fast as it may; the backend does not read.
  let written = 0;
  const write = (): void => {
    while (written < total) {
      written += 1;
      if (!client.write(block)) {
        client.once('drain', write);
        return;
      }
    }
    client.end();
  };
  write();
  await until(() => ours.isPaused(), { what: 'the pause of the sender' });
  const before = on.front.size;
  const held = ours.bytesRead;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(ours.bytesRead - held < 1 << 20, 'no more is read than the streams hold');
  assert.ok(held < 16 << 20, `${held} bytes were taken`);
  assert.equal(before, 1);
  const got = await readAll(backend);
  assert.equal(got.length, total << 20);
  assert.ok(got.subarray(-block.length).equals(block));
  // And the other way round.
  backend.end(Buffer.concat([block, block]));
  assert.equal((await readAll(client)).length, 2 << 20);
});

test('a side that breaks is a reset for the other one', async () => {
  await using on = await stage();
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  const backend = await on.backend();
  client.write('half of someth');
  await once(backend, 'data');
  const broken = once(backend, 'error') as Promise<[NodeJS.ErrnoException]>;
  client.resetAndDestroy();
  assert.equal((await broken)[0].code, 'ECONNRESET');
  await until(() => on.summaries[0]?.reason === 'client-reset');

  const [second, secondOurs] = await on.client();
  on.front.terminate(secondOurs, db, peer);
  const secondBackend = await on.backend(2);
  const reset = once(second, 'error') as Promise<[NodeJS.ErrnoException]>;
  secondBackend.resetAndDestroy();
  assert.equal((await reset)[0].code, 'ECONNRESET');
  await until(() => on.summaries[1]?.reason === 'backend-reset');
});

test('a tunnel without a byte for too long is ended, one that moves is not', async () => {
  await using on = await stage();
  const [quiet, quietOurs] = await on.client();
  const [busy, busyOurs] = await on.client();
  on.front.terminate(quietOurs, db, peer);
  on.front.terminate(busyOurs, db, peer);
  const backend = await on.backend(2);
  backend.resume();
  on.backends[0]?.resume();
  await until(() => on.front.size === 2);
  on.now = 50_000;
  on.tick();
  assert.equal(on.front.size, 2, 'idle time may be unlimited');
  on.idleMs = 10_000;
  busy.write('x');
  await until(() => busyOurs.bytesRead > 0);
  on.tick();
  await until(() => on.front.size === 1);
  await readAll(quiet);
  on.now = 59_999;
  on.tick();
  assert.equal(on.front.size, 1);
  on.now = 60_000;
  on.tick();
  await readAll(busy);
  assert.deepEqual(
    on.summaries.map(({ reason, durationMs }) => [reason, durationMs]),
    [
      ['idle', 50_000],
      ['idle', 60_000],
    ],
  );
});

test('without a backend the client is closed, and the reason is told', async () => {
  await using on = await stage({
    connect: (events) => setImmediate(() => events.onFailure('backend-refused', 'ECONNREFUSED')),
  });
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  await readAll(client);
  assert.deepEqual(on.failures, ['db backend-refused ECONNREFUSED']);
  assert.deepEqual(on.summaries, []);
});

test('a client that leaves while its backend is being connected aborts that', async () => {
  let late: ConnectEvents | undefined;
  await using on = await stage({ connect: (events) => void (late = events) });
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  ours.resume();
  client.resetAndDestroy();
  await until(() => on.aborted === 1);
  assert.ok(late !== undefined);
  assert.equal(on.front.size, 0);
  const [, second] = await on.client();
  on.front.terminate(second, db, peer);
  on.front.destroy();
  assert.deepEqual([on.aborted, second.destroyed], [2, true]);
});

test('destroy ends all tunnels', async () => {
  await using on = await stage();
  const [client, ours] = await on.client();
  on.front.terminate(ours, db, peer);
  await on.backend();
  await until(() => on.front.size === 1);
  on.front.destroy();
  await readAll(client);
  assert.deepEqual([on.summaries[0]?.reason, on.front.size, on.ticking], ['stopped', 0, 0]);
});

test('inside TLS: bytes, and the end of one direction alone', async () => {
  await using on = await stage();
  const ca = await TestCa.create();
  const { fullchainPem: cert, keyPem: key } = await ca.issue({ dnsNames: ['db.test'] });
  const [raw, ours] = await on.client();
  const ourTls = new TLSSocket(ours, { isServer: true, secureContext: createSecureContext({ cert, key }) });
  ourTls.once('secure', () => on.front.terminate(ourTls, db, peer));
  const client = tlsConnect({ socket: raw, servername: 'db.test', ca: ca.certPem });
  client.allowHalfOpen = true;
  await once(client, 'secureConnect');
  const block = randomBytes(300_000);
  client.end(block);
  const backend = await on.backend();
  assert.ok((await readAll(backend)).equals(block));
  backend.end(block);
  assert.ok((await readAll(client)).equals(block));
  await until(() => on.summaries[0]?.reason === 'closed');
});

test('passed through: the handshake is the backend’s own', async () => {
  const ca = await TestCa.create();
  const { fullchainPem: cert, keyPem: key } = await ca.issue({ dnsNames: ['far.test'] });
  const far = createTlsServer({ cert, key }, (socket) => socket.pipe(socket));
  far.listen(0, '127.0.0.1');
  await once(far, 'listening');
  await using on = await stage({
    connect: (events) => {
      const socket = connect({ port: (far.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
      socket.once('connect', () => events.onConnected(socket, 'far'));
    },
  });
  const [raw, ours] = await on.client();
  ours.once('data', (chunk: Buffer) => {
    ours.pause();
    on.front.passThrough(ours, db, chunk, peer);
  });
  const client = tlsConnect({ socket: raw, servername: 'far.test', ca: ca.certPem });
  await once(client, 'secureConnect');
  client.write('echo');
  const [echo] = (await once(client, 'data')) as [Buffer];
  assert.equal(echo.toString(), 'echo');
  client.end();
  await once(client, 'close');
  await until(() => on.summaries.length === 1);
  far.close();
});
