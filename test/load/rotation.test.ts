import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend.ts';
import { monotonicMs, startLoad, type LoadOptions, type LoadSummary } from '../support/load.ts';
import { until } from '../support/until.ts';
import { proxyRoute, startTerminator } from '../terminator/support/harness.ts';

const hosts = ['one.test', 'two.test', 'three.test'];
const rotations = 60;
const versionsPerHost = rotations / hosts.length;

/** When it was acknowledged that every worker serves that serial. */
interface Applied {
  readonly serial: string;
  readonly atMs: number;
}

test('never (§5.3): 60 rotations under 20,000 requests lose no request and reset no connection, and no handshake after an acknowledgement shows an older certificate', async (t) => {
  await using backend = await startBackend();
  await using terminator = await startTerminator({ routes: hosts.map((host) => proxyRoute(host, backend.url)) });
  const applied = new Map<string, Applied[]>(hosts.map((host) => [host, []]));
  const bundles = new Map<string, Awaited<ReturnType<typeof terminator.issue>>[]>();
  for (const host of hosts) {
    bundles.set(host, await Promise.all(Array.from({ length: versionsPerHost + 1 }, () => terminator.issue(host))));
  }
  const rotate = async (host: string, version: number): Promise<void> => {
    const bundle = bundles.get(host)?.[version];
    assert.ok(bundle);
    await terminator.feed.acknowledged(terminator.feed.publishCertificate(`file/${host}`, version + 1, bundle));
    applied.get(host)?.push({ serial: bundle.serial, atMs: monotonicMs() });
  };
  for (const host of hosts) await rotate(host, 0);

  const common = {
    port: terminator.httpsPort,
    caPem: terminator.ca.certPem,
    servernames: hosts,
    recordHandshakes: true,
  };
  const start = (options: Omit<LoadOptions, 'port' | 'servernames'>): ReturnType<typeof startLoad> =>
    startLoad({ ...common, ...options });
  await using keepalive = start({
    mode: 'keepalive',
    total: 7_000,
    concurrency: 6,
    requestsPerConnection: 40,
    bodyBytes: 300,
  });
  await using fresh = start({ mode: 'new', total: 3_000, concurrency: 4 });
  await using h2 = start({ mode: 'h2', total: 8_000, concurrency: 12, connections: 3, requestsPerConnection: 60 });
  await using webSocket = start({ mode: 'websocket', total: 2_000, concurrency: 1 });
  const loads = [keepalive, fresh, h2, webSocket];
  const totals = [7_000, 3_000, 8_000, 2_000];

  // One after the other, spread over the whole of the load: a rotation is due with every 60th part of the requests.
  for (let rotation = 1; rotation <= rotations; rotation += 1) {
    const due = rotation / (rotations + 1);
    await until(() => loads.some((load, i) => load.done >= Math.floor((totals[i] ?? 0) * due)), {
      what: `load for rotation ${rotation}`,
      timeoutMs: 60_000,
      everyMs: 50,
    });
    await rotate(hosts[rotation % hosts.length] ?? '', Math.ceil(rotation / hosts.length));
  }
  const summaries = await Promise.all(loads.map((load) => load.finished()));

  assert.deepEqual(
    loads.flatMap((load) => load.failures),
    [],
  );
  assert.equal(
    sum(summaries, ({ ok }) => ok),
    20_000,
  );
  assert.equal(summaries[3]?.handshakes, 1, 'one WebSocket lived through all rotations');
  assert.equal(
    sum([...applied.values()], (list) => list.length - 1),
    rotations,
  );
  const seen = checkSerials(summaries, applied);
  for (const host of hosts) assert.ok((seen.get(host)?.size ?? 0) > 5, `new connections saw rotations of ${host}`);
  assert.deepEqual(terminator.supervisor.status().problems, []);
  t.diagnostic(`handshakes: ${summaries.map(({ mode, handshakes }) => `${mode} ${handshakes}`).join(', ')}`);
});

/** Fails for a handshake that began after a newer version had been acknowledged; returns the serials seen by host. */
function checkSerials(
  summaries: readonly LoadSummary[],
  applied: ReadonlyMap<string, readonly Applied[]>,
): Map<string, Set<string>> {
  const seen = new Map<string, Set<string>>();
  for (const { handshakeLog, mode } of summaries) {
    for (const [startedMs, host, serial] of handshakeLog) {
      const history = applied.get(host) ?? [];
      const shown = history.findIndex((one) => one.serial === serial.toUpperCase());
      const current = history.findLastIndex((one) => one.atMs <= startedMs);
      assert.notEqual(shown, -1, `${host} showed a serial that was never published`);
      assert.ok(shown >= current, `${mode}: ${host} showed version ${shown} although ${current} had been acknowledged`);
      seen.set(host, (seen.get(host) ?? new Set()).add(serial));
    }
  }
  return seen;
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0);
}
