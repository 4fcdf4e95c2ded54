/** Arbitrary bytes at everything that listens. FUZZ_SEED=… repeats a run; each batch prints its seed. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, suite, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect, createSecureContext, type SecureContext } from 'node:tls';
import { cli } from '../cli/running.ts';
import { ready } from '../e2e/shop.ts';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { processesOf } from '../load/shop.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { heldConnections } from '../support/connections.ts';
import { fetchOnce } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { until } from '../support/until.ts';
import { Dice, http2Frames, httpRequest, jsonText, mutated, pieces, yamlText } from './fuzz-inputs.ts';
import { megabytes, sampleOf, troubles } from './process-samples.ts';

const runSeed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const atOnce = 24;
/** Only plain TCP can be reset. */
const resettable = new WeakSet<Duplex>();
/** What the memory of a process may rise by over its level after the warm-up. */
const mostGrowthBytes = 64 * 1_048_576;

suite(`arbitrary bytes (FUZZ_SEED=${runSeed})`, () => {
  const stack = new AsyncDisposableStack();
  let backend: Backend;
  let place: Site;
  let certplane: Certplane;
  let rootPem: string;
  let context: SecureContext;
  let level: ReadonlyMap<number, number>;
  let batches = 0;

  before(async () => {
    backend = stack.use(await startBackend());
    place = await site();
    certplane = stack.use(await startCertplane({ configYaml: configFor(place, backend.url) }));
    await until(async () => (await ready(certplane, 'the certificate', 'file/one')).servedBy.length > 0);
    const issuers = await fetchOnce('http://admin/api/v1/issuers', { socketPath: socketPath('admin') });
    rootPem = (JSON.parse(issuers.body) as { items: { rootPem: string }[] }).items[0]?.rootPem ?? '';
    context = createSecureContext({ ca: rootPem });
    await usual(400);
    level = new Map(sampleOf(certplane).map(({ pid, rssBytes }) => [pid, rssBytes]));
  });
  after(async () => await stack.disposeAsync());

  function socketPath(name: string): string {
    return join(certplane.dir, 'data', 'run', `${name}.sock`);
  }

  /** Requests as they should be, over both protocols; every answer must be the echo of its own request. */
  async function usual(total: number, meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    const target = { port: place.https, caPem: rootPem, servernames: ['one.test'], maxMs: 100_000, concurrency: 2 };
    await using http1 = startLoad({ ...target, mode: 'keepalive', requestsPerConnection: 10, total, pauseMs: 5 });
    await using http2 = startLoad({ ...target, mode: 'h2', requestsPerConnection: 10, total, pauseMs: 5 });
    await meanwhile();
    for (const load of [http1, http2]) {
      const { ok } = await load.finished();
      assert.deepEqual(load.failures, [], `usual requests; the log says\n${certplane.output.slice(-2_000)}`);
      assert.equal(ok, total);
    }
  }

  /** Runs the attacks while usual requests go on, and looks at what is left of them. */
  async function batch(t: TestContext, attacks: number, attack: (dice: Dice) => Promise<void>): Promise<void> {
    const seed = runSeed + (batches += 1);
    t.diagnostic(`seed ${seed}`);
    const dice = new Dice(seed);
    const printed = certplane.output.length;
    await usual(150, async () => {
      let left = attacks;
      const lane = async (): Promise<void> => {
        while ((left -= 1) >= 0) await attack(dice);
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
    });
    const said = certplane.output.slice(printed);
    assert.deepEqual(troubles(said), [], said.slice(-10_000));
    const now = sampleOf(certplane);
    assert.deepEqual(new Set(now.map(({ pid }) => pid)), new Set(level.keys()), 'the same processes');
    await until(
      () =>
        processesOf(certplane, 'worker').every(
          ({ pid }) => heldConnections(pid, place.https) + heldConnections(pid, place.http) === 0,
        ),
      { what: 'the end of every connection' },
    );
    for (const { role, pid, rssBytes } of now) {
      const before_ = level.get(pid) ?? 0;
      const grown = `${role}: ${megabytes(before_)} before, ${megabytes(rssBytes)} now`;
      assert.ok(rssBytes < before_ + mostGrowthBytes, grown);
      t.diagnostic(grown);
    }
    const { status } = await fetchOnce(`http://one.test/`, { connectTo: { port: place.http } });
    assert.equal(status, 308);
  }

  const tls = (protocol: string): Duplex =>
    tlsConnect({
      host: '127.0.0.1',
      port: place.https,
      servername: 'one.test',
      secureContext: context,
      ALPNProtocols: [protocol],
    });

  test('at the TLS port: parts and variations of a ClientHello, records of other kinds, noise', async (t) => {
    const hello = await clientHello();
    await batch(t, 700, async (dice) => {
      const bytes = dice.one([
        () => hello,
        () => mutated(dice, hello),
        () => mutated(dice, hello),
        () => dice.bytes(600),
      ])();
      await send(dice, tcp(place.https), bytes);
    });
  });

  test('at the http port: malformed HTTP/1.1', async (t) => {
    await batch(t, 700, async (dice) => await send(dice, tcp(place.http), httpRequest(dice)));
  });

  test('an upgrade whose client resets the connection at once ends nobody else', async (t) => {
    await batch(t, 600, async (dice) => {
      const secure = dice.chance(50);
      const socket = tcp(secure ? place.https : place.http);
      const closed = once(socket, 'close');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      const stream = secure ? tlsConnect({ socket, servername: 'one.test', secureContext: context }) : socket;
      stream.on('error', () => undefined);
      if (secure) await once(stream, 'secureConnect');
      stream.write(upgradeRequest(dice.one(['one.test', 'www.one.test', 'unknown.test'])));
      if (dice.chance(50)) await delay(dice.number(3));
      socket.resetAndDestroy();
      await closed;
    });
  });

  test('over TLS: malformed HTTP/1.1 heads and bodies', async (t) => {
    await batch(t, 700, async (dice) => await send(dice, tls('http/1.1'), httpRequest(dice)));
  });

  test('over TLS: malformed HTTP/2 frames', async (t) => {
    await batch(t, 700, async (dice) => await send(dice, tls('h2'), http2Frames(dice)));
  });

  test('at the feed and admin sockets and the admin page: bytes, paths and JSON', async (t) => {
    const admin = ['/certificates', '/certificates/x/renew', '/reload', '/session', '/tokens/x', '/history', '/events'];
    const feed = ['/acknowledge', '/served', '/feed', '/material/file%2Fone%231'];
    const query = ['', '?limit=-1&cursor=%00', '?since=1.1', '?q=%ff&sort=__proto__', `?cursor=${'A'.repeat(5_000)}`];
    const request = (dice: Dice, paths: readonly string[], prefix: string): Buffer => {
      const path = `${prefix}${dice.one([...paths, '/%2e%2e/%2e%2e/etc/passwd', '//', '/%zz'])}${dice.one(query)}`;
      const body = jsonText(dice);
      const length = dice.chance(80) ? Buffer.byteLength(body, 'latin1') : dice.number(1e6);
      const head =
        `${dice.one(['GET', 'POST', 'POST', 'DELETE', 'HEAD'])} ${path} HTTP/1.1\r\nHost: ${dice.one(['127.0.0.1', 'feed', '[', 'a b'])}\r\n` +
        `certplane-terminator: ${dice.one(['fuzz', 'fuzz', '', 'ü', 'x'.repeat(300)])}\r\nLast-Event-ID: ${dice.one(['1.1', 'x', '-1'])}\r\n` +
        `Authorization: Bearer ${dice.one(['cp_x', '', 'ü'])}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
      const bytes = Buffer.from(head + body, 'latin1');
      return dice.chance(60) ? bytes : mutated(dice, bytes);
    };
    await batch(t, 900, async (dice) => {
      const where = dice.number(3);
      if (where === 0) await send(dice, createConnection(socketPath('feed')), request(dice, feed, ''));
      else {
        const socket = where === 1 ? createConnection(socketPath('admin')) : tcp(place.admin);
        await send(dice, socket, dice.chance(20) ? httpRequest(dice) : request(dice, admin, '/api/v1'));
      }
    });
    const { phase, servedBy } = await ready(certplane, 'the certificate', 'file/one');
    assert.equal(phase.state, 'ready');
    assert.ok(servedBy.some(({ terminator, upToDate }) => terminator === 'local' && upToDate));
    const renewed = await certplane.cli(['renew', 'one', '--wait']);
    assert.equal(renewed.code, 0, renewed.stderr);
  });

  test('as a configuration file: certplane check always has an answer', async (t) => {
    const seed = runSeed + 100;
    t.diagnostic(`seed ${seed}`);
    const dice = new Dice(seed);
    const original = configFor(place, backend.url);
    const file = join(certplane.dir, 'odd.yaml');
    const seen = new Map<number, number>();
    for (let i = 0; i < 400; i += 1) {
      const text = yamlText(dice, original);
      await writeFile(file, text);
      const argv = ['check', '--config', file, '--json'];
      const startedMs = performance.now();
      // Every so often the program itself, so that an end other than by exit code would show.
      const run = i % 100 === 0 ? await certplane.cli(argv.slice(0, 1)) : undefined;
      const { code, stdout, stderr } = await cli(argv, { cwd: certplane.dir, env: {} });
      const what = `${JSON.stringify(text.toString('latin1')).slice(0, 3_000)}\n${stdout}\n${stderr}`;
      assert.ok(code === 0 || code === 1, `exit code ${code}: ${what}`);
      assert.doesNotMatch(stdout + stderr, /internal\.unexpected/, what);
      const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { message: string }[] };
      assert.equal(ok, code === 0, what);
      assert.ok(ok || problems.length > 0, what);
      assert.ok(performance.now() - startedMs < 30_000, what);
      assert.ok(run === undefined || run.code === 0, `${run?.stderr}`);
      seen.set(code, (seen.get(code) ?? 0) + 1);
    }
    assert.equal(seen.size, 2, 'some were right and some were wrong');
  });
});

function tcp(port: number): Socket {
  const socket = createConnection({ host: '127.0.0.1', port });
  resettable.add(socket);
  return socket;
}

function upgradeRequest(host: string): string {
  return (
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  );
}

/** Sends it in pieces and goes away in one of the ways in which clients go away. Never rejects. */
async function send(dice: Dice, socket: Duplex, bytes: Buffer): Promise<void> {
  const parts = pieces(dice, bytes);
  const how = dice.number(4);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  for (const part of parts) {
    if (socket.destroyed) break;
    socket.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (how === 0) socket.end();
  else if (how === 1) await delay(dice.number(60));
  else if (how === 2) {
    await delay(dice.number(60));
    if (resettable.has(socket)) (socket as Socket).resetAndDestroy();
    else socket.destroy();
  }
  // Whoever only waits is let go by a deadline of the other side, or goes by itself in the end.
  const patience = new AbortController();
  await Promise.race([
    closed,
    delay(how === 1 ? 0 : 400, undefined, { signal: patience.signal }).catch(() => undefined),
  ]);
  patience.abort();
  socket.destroy();
  await closed;
}

/** What a real client sends first. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = tlsConnect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'one.test',
  });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

function configFor(place: Site, backendUrl: string): string {
  return `${place.base}
issuers:
  local: { ca: {} }
defaults: { issuers: [local] }
certificates:
  one:
    dnsNames: [one.test, "*.one.test"]
    lifetime: 90d
    outputs: [{ files: { directory: ./live/one } }]
${terminatorOf(place)}
  timeouts: { handshake: 1s, header: 1s, idle: 2s, drain: 2s }
  routes:
    - { hosts: [one.test], backend: '${backendUrl}' }
    - { hosts: [www.one.test], respond: { status: 200, body: "hello\\n" } }
`;
}
