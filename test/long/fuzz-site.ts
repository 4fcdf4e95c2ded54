/** A running program under attack: its usual clients meanwhile, and what has to be as before afterwards. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect, createSecureContext, type TLSSocket } from 'node:tls';
import { resetNow } from '../../src/terminator/tcp/reset.ts';
import { ready } from '../e2e/shop.ts';
import { site, type Site } from '../e2e/site.ts';
import { processesOf } from '../load/shop.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { heldConnections } from '../support/connections.ts';
import { fetchOnce } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import { until } from '../support/until.ts';
import { Dice, pieces } from './fuzz-inputs.ts';
import { megabytes, memoryInUse, troubles, type Still } from './process-samples.ts';

/** FUZZ_SEED=… repeats a run; each batch prints its own. */
export const runSeed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const preload = join(import.meta.dirname, 'collect-garbage.ts');
const atOnce = 24;
const megabyte = 1_048_576;
/** What a process may hold beyond its level after the warm-up: in use, and resident with what allocators keep for later. */
const mostMore = { inUseBytes: 6 * megabyte, rssBytes: 80 * megabyte, handles: 8 };
/** Only plain TCP can be reset. */
const resettable = new WeakSet<Duplex>();

export interface FuzzSite extends AsyncDisposable {
  readonly place: Site;
  readonly backend: Backend;
  readonly certplane: Certplane;
  /** Runs the attacks while usual requests go on, and looks at what is left of them. */
  batch(t: TestContext, attacks: number, attack: (dice: Dice) => Promise<void>): Promise<void>;
  /** A connection to the TLS port, its handshake under way. */
  tls(protocol: string, host?: string): TLSSocket;
  /** TLS on a connection that is there already. */
  tlsOver(socket: Socket): TLSSocket;
  socketPath(name: string): string;
}

export interface FuzzOptions {
  readonly config: (place: Site, backendUrl: string) => string;
  /** Sent first on every connection. */
  prologue?: string;
}

export async function startFuzzSite({ config, prologue = '' }: FuzzOptions): Promise<FuzzSite> {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await startBackend());
  const place = await site();
  const configYaml = config(place, backend.url);
  const certplane = stack.use(await startCertplane({ configYaml, env: { NODE_OPTIONS: `--import=${preload}` } }));
  await until(async () => (await ready(certplane, 'the certificate', 'file/one')).servedBy.length > 0);
  const socketPath = (name: string): string => join(certplane.dir, 'data', 'run', `${name}.sock`);
  const issuers = await fetchOnce('http://admin/api/v1/issuers', { socketPath: socketPath('admin') });
  const rootPem = (JSON.parse(issuers.body) as { items: { rootPem: string }[] }).items[0]?.rootPem ?? '';
  const secureContext = createSecureContext({ ca: rootPem });
  const [https, http] = await Promise.all(
    [place.https, place.http].map(async (port) =>
      prologue === '' ? port : await startForwarder(stack, port, prologue),
    ),
  );
  let batches = 0;

  /** Requests as they should be, over both protocols; every answer must be the echo of its own request. */
  const usual = async (total: number, meanwhile: () => Promise<void> = async () => undefined): Promise<void> => {
    const target = { port: https as number, caPem: rootPem, servernames: ['one.test'], maxMs: 100_000, concurrency: 2 };
    await using http1 = startLoad({ ...target, mode: 'keepalive', requestsPerConnection: 10, total, pauseMs: 5 });
    await using http2 = startLoad({ ...target, mode: 'h2', requestsPerConnection: 10, total, pauseMs: 5 });
    await meanwhile();
    for (const load of [http1, http2]) {
      const { ok } = await load.finished();
      assert.deepEqual(load.failures, [], `usual requests; the log says\n${certplane.output.slice(-2_000)}`);
      assert.equal(ok, total);
    }
  };
  const quiet = async (): Promise<Still[]> => {
    await until(
      () =>
        processesOf(certplane, 'worker').every(
          ({ pid }) => heldConnections(pid, place.https) + heldConnections(pid, place.http) === 0,
        ),
      { what: 'the end of every connection' },
    );
    return await memoryInUse(certplane);
  };

  await usual(400);
  const level = await quiet();
  const parts = stack.move();
  return {
    place,
    backend,
    certplane,
    socketPath,
    batch: async (t, attacks, attack) => {
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
      const now = await quiet();
      assert.deepEqual(new Set(now.map(({ pid }) => pid)), new Set(level.map(({ pid }) => pid)), 'the same processes');
      for (const one of now) {
        const had = level.find(({ pid }) => pid === one.pid) as Still;
        const text = `${one.role}: ${described(had)} before, ${described(one)} now`;
        for (const what of ['inUseBytes', 'rssBytes', 'handles'] as const)
          assert.ok(one[what] <= had[what] + mostMore[what], text);
        t.diagnostic(text);
      }
      const { status } = await fetchOnce(`http://one.test/`, { connectTo: { port: http as number } });
      assert.equal(status, 308);
    },
    tls: (protocol, host = 'one.test') =>
      tlsConnect({
        host: '127.0.0.1',
        port: https,
        servername: host,
        secureContext,
        ALPNProtocols: [protocol],
      }),
    tlsOver: (socket) => tlsConnect({ socket, servername: 'one.test', secureContext }),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

function described({ inUseBytes, rssBytes, handles }: Still): string {
  return `${megabytes(inUseBytes)} in use, ${megabytes(rssBytes)} resident, ${handles} handles`;
}

/** A port whose connections reach another one behind these first bytes. */
async function startForwarder(stack: AsyncDisposableStack, to: number, prologue: string): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = createConnection({ host: '127.0.0.1', port: to });
    target.write(prologue, 'latin1');
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        sockets.delete(one);
        other.destroySoon();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

export function tcp(port: number): Socket {
  const socket = createConnection({ host: '127.0.0.1', port });
  resettable.add(socket);
  return socket;
}

/** Sends it in pieces and goes away in one of the ways in which clients go away. Never rejects. */
export async function send(dice: Dice, socket: Duplex, bytes: Buffer): Promise<void> {
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
    if (resettable.has(socket)) resetNow(socket as Socket);
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
