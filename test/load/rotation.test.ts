import assert from 'node:assert/strict';
import test from 'node:test';
import { startLoad, type Load, type LoadOptions, type LoadSummary } from '../support/load.ts';
import { until } from '../support/until.ts';
import { certificates, names, startThousand, type Applied, type Thousand } from './thousand.ts';

/** Certificates that are replaced at once. */
const atOnce = 20;
const steps = certificates / atOnce;
/** After so many of these steps the client certificate is replaced, too. */
const clientEvery = 5;

/** A few names, among those that rotate early and late. */
const some = names.filter((_, index) => index % 150 === 30);
const webSockets = 6;

type Kind = Omit<LoadOptions, 'port' | 'servernames'> & Partial<Pick<LoadOptions, 'servernames'>> & { total: number };

/** `resuming`: every connection offers the latest session of its name. */
const resuming = {
  mode: 'new',
  servernames: names.filter((_, i) => i % 5 === 0),
  concurrency: 3,
  resume: true,
} as const;
const kinds = {
  keepalive: { mode: 'keepalive', total: 7_000, concurrency: 6, requestsPerConnection: 100, bodyBytes: 300 },
  h2: { mode: 'h2', total: 8_000, concurrency: 12, connections: 3, requestsPerConnection: 60 },
  fresh: { mode: 'new', total: 1_500, concurrency: 3, servernames: names.filter((_, i) => i % 2 === 1) },
  'resuming TLS 1.3': { ...resuming, total: 1_250, tlsVersion: 'TLSv1.3' },
  'resuming TLS 1.2': { ...resuming, total: 1_250, tlsVersion: 'TLSv1.2' },
} satisfies Record<string, Kind>;
const total = sumOf(Object.values(kinds), (kind) => kind.total);

test('never (§5.3): 1,000 certificates and the one shown to the backend rotate under load: no request fails, no connection is reset, sessions resume, and no handshake after an acknowledgement shows an older certificate', async (t) => {
  await using world = await startThousand();
  await using loads = new AsyncDisposableStack();
  const start = (kind: Omit<LoadOptions, 'port' | 'servernames'> & { servernames?: readonly string[] }): Load =>
    loads.use(
      startLoad({
        port: world.terminator.httpsPort,
        caPem: world.rootPem,
        servernames: some,
        recordHandshakes: true,
        ...kind,
      }),
    );
  const lasting = start({ mode: 'websocket', concurrency: webSockets, pauseMs: 40 });
  const running = Object.values(kinds).map(start);

  const carried = new Set<number>();
  // One step after the other, spread over the whole of the load.
  for (let step = 1; step <= steps; step += 1) {
    const due = (total * step) / (steps + 1);
    await until(() => sumOf(running, ({ done }) => done) >= due || running.some(hasFailed), {
      what: `the load for step ${step}`,
      timeoutMs: 60_000,
      everyMs: 50,
    });
    if (step % clientEvery === 0) await world.rotateClient();
    for (const { pid, connections } of world.terminator.supervisor.status().workers)
      if (connections > 0) carried.add(pid);
    await world.rotate(Array.from({ length: atOnce }, (_, i) => (step - 1) * atOnce + i));
  }
  const summaries = await Promise.all(running.map(async (load) => await load.finished()));
  const webSocket = await lasting.stop();

  assert.deepEqual(
    [...running, lasting].flatMap(({ failures }) => failures),
    [],
  );
  assert.deepEqual(
    summaries.map(({ ok }) => ok),
    Object.values(kinds).map((kind) => kind.total),
  );
  assert.equal(webSocket.handshakes, webSockets, 'each WebSocket lived through all rotations');
  assert.ok(webSocket.ok > 10 * webSockets, `${webSocket.ok} messages`);
  assert.equal(carried.size, 2, 'both workers had connections');
  assert.ok([...world.applied.values()].every(({ length }) => length === 2));
  assert.deepEqual(world.terminator.supervisor.status().problems, []);

  const seen = checkSerials([...summaries, webSocket], world.applied);
  assert.ok(seen > certificates / 10, `new connections saw ${seen} certificates after their rotation`);
  checkClientSerials(world);
  t.diagnostic(
    `${total} requests and ${webSocket.ok} WebSocket messages, ${world.backend.connections} connections to the backend`,
  );
  for (const [i, [kind]] of Object.entries(kinds).entries()) {
    const { handshakes, resumptions } = summaries[i] as LoadSummary;
    t.diagnostic(`${kind}: ${handshakes} full handshakes, ${resumptions.length} sessions offered`);
    if (kind.startsWith('resuming')) t.diagnostic(checkResumptions(summaries[i] as LoadSummary, world.applied));
  }
});

/** Fails for a handshake that began after a newer version had been acknowledged; counts names seen in their new version. */
function checkSerials(summaries: readonly LoadSummary[], applied: Thousand['applied']): number {
  const renewed = new Set<string>();
  for (const { handshakeLog, mode } of summaries) {
    for (const [startedMs, name, serial] of handshakeLog) {
      const history = applied.get(name) ?? [];
      const shown = versionOf(history, serial);
      const current = history.findLastIndex(({ atMs }) => atMs <= startedMs);
      assert.notEqual(shown, -1, `${name} showed a serial that was never published`);
      assert.ok(shown >= current, `${mode}: ${name} showed version ${shown} although ${current} had been acknowledged`);
      if (shown > 0) renewed.add(name);
    }
  }
  return renewed.size;
}

/** Sessions of handshakes with a certificate that has been replaced since; nearly all of them have to be taken. */
function checkResumptions({ resumptions }: LoadSummary, applied: Thousand['applied']): string {
  const across = resumptions.filter(([startedMs, name, serial]) => {
    const history = applied.get(name) ?? [];
    return history.findLastIndex(({ atMs }) => atMs <= startedMs) > versionOf(history, serial);
  });
  const resumed = across.filter(([, , , taken]) => taken).length;
  const text = `of ${across.length} sessions offered after a rotation, ${resumed} were resumed`;
  assert.ok(across.length >= 300 && resumed > across.length * 0.95, text);
  return text;
}

/** Each version is shown by new connections, and, one for what is under way, none before the one acknowledged. */
function checkClientSerials({ backend, clientSerials }: Thousand): void {
  const shown = backend.clientSerials.map((serial) => clientSerials.indexOf(serial));
  assert.equal(shown.length, backend.connections, 'every connection had a certificate of ours');
  let newest = 0;
  for (const version of shown) {
    assert.ok(version >= newest - 1, `version ${version} of the client certificate was shown after ${newest}`);
    newest = Math.max(newest, version);
  }
  // The last one may have come after the last new connection.
  for (const version of clientSerials.keys()) {
    if (version < clientSerials.length - 1) assert.ok(shown.includes(version), `version ${version} was not used`);
  }
}

function versionOf(history: readonly Applied[], serial: string): number {
  return history.findIndex((one) => one.serial === serial.toUpperCase());
}

/** Its end without a summary says why. */
function hasFailed({ process: { exit } }: Load): boolean {
  return exit !== undefined && exit.code !== 0;
}

function sumOf<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((sum, item) => sum + of(item), 0);
}
