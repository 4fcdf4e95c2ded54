/** Arbitrary bytes at everything that listens, and from a backend. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { resetNow } from '../../src/terminator/tcp/reset.ts';
import { cli } from '../cli/running.ts';
import { ready } from '../e2e/shop.ts';
import { terminatorOf, type Site } from '../e2e/site.ts';
import { startHostileBackend, type HostileBackend } from './fuzz-backend.ts';
import { Dice, http2Frames, httpRequest, jsonText, mutated, yamlText } from './fuzz-inputs.ts';
import { runSeed, send, startFuzzSite, tcp, type FuzzSite } from './fuzz-site.ts';
import { clientHello } from './fuzz-tls-inputs.ts';

suite(`arbitrary bytes (FUZZ_SEED=${runSeed})`, () => {
  const stack = new AsyncDisposableStack();
  let site: FuzzSite;
  let hostile: HostileBackend;

  before(async () => {
    hostile = stack.use(await startHostileBackend(runSeed));
    site = stack.use(await startFuzzSite({ config: (place, url) => configFor(place, url, hostile.ports) }));
  });
  after(async () => await stack.disposeAsync());

  test('at the TLS port: parts and variations of a ClientHello, records of other kinds, noise', async (t) => {
    const hello = await realClientHello();
    await site.batch(t, 700, async (dice) => {
      const bytes = dice.one([
        () => hello,
        () => mutated(dice, hello),
        () => mutated(dice, hello),
        () => dice.bytes(600),
      ])();
      await send(dice, tcp(site.place.https), bytes);
    });
  });

  test('at the TLS port: ClientHellos of any content, for hosts of every kind', async (t) => {
    await site.batch(t, 900, async (dice) => await send(dice, tcp(site.place.https), clientHello(dice)));
  });

  test('at the http port: malformed HTTP/1.1', async (t) => {
    await site.batch(t, 700, async (dice) => await send(dice, tcp(site.place.http), httpRequest(dice)));
  });

  test('an upgrade whose client resets the connection at once ends nobody else', async (t) => {
    await site.batch(t, 600, async (dice) => {
      const secure = dice.chance(50);
      const socket = tcp(secure ? site.place.https : site.place.http);
      const closed = once(socket, 'close');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      const stream = secure ? site.tlsOver(socket) : socket;
      stream.on('error', () => undefined);
      if (secure) await once(stream, 'secureConnect');
      stream.write(upgradeRequest(dice.one(['one.test', 'www.one.test', 'unknown.test'])));
      if (dice.chance(50)) await delay(dice.number(3));
      resetNow(socket);
      await closed;
    });
  });

  test('over TLS: malformed HTTP/1.1 heads and bodies', async (t) => {
    await site.batch(t, 700, async (dice) => await send(dice, site.tls('http/1.1'), httpRequest(dice)));
  });

  test('over TLS: malformed HTTP/2 frames', async (t) => {
    await site.batch(t, 700, async (dice) => await send(dice, site.tls('h2'), http2Frames(dice)));
  });

  test('inside TLS for a tcp route: bytes both ways', async (t) => {
    await site.batch(t, 300, async (dice) => await send(dice, site.tls('http/1.1', 'tcp.one.test'), dice.bytes(5_000)));
  });

  test('from backends: malformed answers of HTTP/1.1 and HTTP/2; each request is answered or ended', async (t) => {
    await site.batch(t, 500, async (dice) => {
      const host = dice.one(['bad1.one.test', 'bad2.one.test']);
      const socket = site.tls('http/1.1', host);
      let answer = '';
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1', 0, 100)));
      const closed = once(socket, 'close', { signal: AbortSignal.timeout(30_000) });
      const body = dice.chance(50) ? 'Content-Length: 5\r\n\r\nhello' : '\r\n';
      socket.write(`${body.length > 2 ? 'POST' : 'GET'} / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${body}`);
      await closed;
      assert.match(answer, /^(HTTP\/1\.1 [1-5]\d\d |$)/);
    });
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
    await site.batch(t, 900, async (dice) => {
      const where = dice.number(3);
      if (where === 0) await send(dice, createConnection(site.socketPath('feed')), request(dice, feed, ''));
      else {
        const socket = where === 1 ? createConnection(site.socketPath('admin')) : tcp(site.place.admin);
        await send(dice, socket, dice.chance(20) ? httpRequest(dice) : request(dice, admin, '/api/v1'));
      }
    });
    const { phase, servedBy } = await ready(site.certplane, 'the certificate', 'file/one');
    assert.equal(phase.state, 'ready');
    assert.ok(servedBy.some(({ terminator, upToDate }) => terminator === 'local' && upToDate));
    const renewed = await site.certplane.cli(['renew', 'one', '--wait']);
    assert.equal(renewed.code, 0, renewed.stderr);
  });

  test('as a configuration file: certplane check always has an answer', async (t) => {
    const seed = runSeed + 100;
    t.diagnostic(`seed ${seed}`);
    const dice = new Dice(seed);
    const original = configFor(site.place, site.backend.url, hostile.ports);
    const file = join(site.certplane.dir, 'odd.yaml');
    const seen = new Map<number, number>();
    for (let i = 0; i < 400; i += 1) {
      const text = yamlText(dice, original);
      await writeFile(file, text);
      const argv = ['check', '--config', file, '--json'];
      // Every so often the program itself, so that an end other than by exit code would show.
      const run = i % 100 === 0 ? await site.certplane.cli(argv.slice(0, 1)) : undefined;
      const { code, stdout, stderr } = await cli(argv, { cwd: site.certplane.dir, env: {} });
      const what = `${JSON.stringify(text.toString('latin1')).slice(0, 3_000)}\n${stdout}\n${stderr}`;
      assert.ok(code === 0 || code === 1, `exit code ${code}: ${what}`);
      assert.doesNotMatch(stdout + stderr, /internal\.unexpected/, what);
      const { ok, problems } = JSON.parse(stdout) as { ok: boolean; problems: { message: string }[] };
      assert.equal(ok, code === 0, what);
      assert.ok(ok || problems.length > 0, what);
      assert.ok(run === undefined || run.code === 0, `${run?.stderr}`);
      seen.set(code, (seen.get(code) ?? 0) + 1);
    }
    assert.equal(seen.size, 2, 'some were right and some were wrong');
  });
});

function upgradeRequest(host: string): string {
  return (
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
  );
}

/** What a real client sends first. */
async function realClientHello(): Promise<Buffer> {
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

function configFor(place: Site, backendUrl: string, hostile: HostileBackend['ports']): string {
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
  timeouts: { handshake: 1s, header: 1s, idle: 2s, tunnelIdle: 2s, drain: 2s }
  backends:
    bad1: { endpoints: ['http://127.0.0.1:${hostile.http1}'], timeouts: { connect: 1s, firstByte: 1s, idle: 1s } }
    bad2: { endpoints: ['h2c://127.0.0.1:${hostile.h2c}'], timeouts: { connect: 1s, firstByte: 1s, idle: 1s } }
  routes:
    - { hosts: [one.test], backend: '${backendUrl}' }
    - { hosts: [www.one.test], respond: { status: 200, body: "hello\\n" } }
    - { hosts: [bad1.one.test], backend: bad1 }
    - { hosts: [bad2.one.test], backend: bad2 }
    - { hosts: [tcp.one.test], tcp: { backend: 'tcp://127.0.0.1:${hostile.tcp}' } }
    - { hosts: [through.test], passthrough: { backend: 'tcp://127.0.0.1:${hostile.tcp}' } }
`;
}
