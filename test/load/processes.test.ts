/** SIGKILL of each process of the running program, under load; docs/architecture.md states the outcomes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFor, ready, show } from '../e2e/shop.ts';
import { site } from '../e2e/site.ts';
import { startCertplane } from '../support/certplane.ts';
import { heldConnections } from '../support/connections.ts';
import { monotonicMs } from '../support/load.ts';
import { startPebble } from '../support/pebble.ts';
import { isFree } from '../support/ports.ts';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { processesOf, startShop } from './shop.ts';
import { h2Lanes, longAnswer, lost, refused, startTraffic } from './traffic.ts';

test('a killed parent: both children finish what is open and end, and a new start serves the same certificates', async (t) => {
  await using shop = await startShop();
  await using traffic = await startTraffic(shop);
  const serials = await shop.serials();
  const long = longAnswer(shop, 3);
  await traffic.more(100);

  shop.certplane.kill('SIGKILL');
  await until(async () => await isFree(shop.place.https), { what: 'refused connections' });
  assert.ok(!long.over, 'connections are refused while open ones go on');
  assert.ok(await long.complete, 'a long answer ends as it should');
  await until(() => shop.certplane.processes().length === 0, { what: 'the end of every process of the group' });
  const failures = await traffic.stop();

  assert.deepEqual(lost(failures), [], 'every request that had a connection got its whole answer');
  assert.ok(refused(failures).length > 0, 'nothing accepts connections any more');
  for (const port of [
    shop.place.https,
    shop.place.http,
    shop.place.admin,
    shop.place.metrics,
    shop.place.terminatorMetrics,
  ])
    assert.ok(await isFree(port), `port ${port} is free`);
  await shop.certplane.restart();
  assert.deepEqual(await until(async () => await shop.serials(), { what: 'handshakes' }), serials);
  assert.equal(await shop.issuances(), 2, 'nothing is issued again (§5.4)');
  t.diagnostic(`connections refused: ${failures.length}`);
});

test('never (§5.4): a killed control process costs no request, comes back, issues nothing again and renews', async () => {
  await using shop = await startShop();
  await using traffic = await startTraffic(shop);
  const [serials, versions] = [await shop.serials(), await shop.versions()];
  const control = shop.pid('control');

  process.kill(control, 'SIGKILL');
  await shop.replaced('control', control);
  await traffic.more(300);
  assert.deepEqual(await shop.versions(), versions);
  assert.deepEqual(await shop.serials(), serials);
  assert.equal(await shop.issuances(), 2);

  assert.notEqual(await shop.renew('one.test'), serials['one.test']);
  assert.equal(await shop.issuances(), 3);
  await traffic.more(300);
  assert.deepEqual(await traffic.stop(), []);
});

for (const state of ['running', 'frozen', 'killed at the same moment'] as const) {
  test(`a killed supervisor, control ${state}: open connections finish, the next one serves the same certificates`, async (t) => {
    await using shop = await startShop();
    await using traffic = await startTraffic(shop);
    const [serials, versions] = [await shop.serials(), await shop.versions()];
    const control = shop.pid('control');
    const terminator = shop.pid('terminator');
    const workers = new Set(shop.processes('worker').map(({ pid }) => pid));

    if (state !== 'running') process.kill(control, state === 'frozen' ? 'SIGSTOP' : 'SIGKILL');
    const killedMs = monotonicMs();
    process.kill(terminator, 'SIGKILL');
    await shop.replaced('terminator', terminator);
    const readyMs = monotonicMs();
    assert.deepEqual(await shop.serials(), serials);
    await traffic.more(300);
    if (state === 'frozen') process.kill(control, 'SIGCONT');
    await until(() => shop.processes('worker').every(({ pid }) => !workers.has(pid)), {
      what: 'the end of the old workers',
    });
    if (state === 'killed at the same moment') await shop.replaced('control', control);

    assert.notEqual(await shop.renew('two.test'), serials['two.test']);
    assert.deepEqual({ ...(await shop.versions()), 'two.test': '' }, { ...versions, 'two.test': '' });
    assert.equal(await shop.issuances(), 3, 'only the renewal asked for');
    const failures = await traffic.stop();
    assert.deepEqual(lost(failures), [], `every request that had a connection got its answer; killed at ${killedMs}`);
    assert.deepEqual(
      failures.filter(({ startedMs }) => startedMs > readyMs),
      [],
      'nothing fails once the next supervisor is ready',
    );
    t.diagnostic(`connections refused meanwhile: ${failures.length}`);
  });
}

test('a killed worker takes only its own connections with it, and another one takes its place', async (t) => {
  await using shop = await startShop();
  await using traffic = await startTraffic(shop);
  const serials = await shop.serials();
  const [victim, survivor] = shop.processes('worker').map(({ pid }) => pid);
  assert.ok(victim !== undefined && survivor !== undefined);

  process.kill(victim, 'SIGSTOP'); // so that the number of its connections holds
  const held = heldConnections(victim, shop.place.https);
  process.kill(victim, 'SIGKILL');
  const next = await until(() => shop.processes('worker').find(({ pid }) => pid !== victim && pid !== survivor)?.pid, {
    what: 'another worker',
  });
  await until(() => heldConnections(next, shop.place.https) > 0, { what: 'connections of the new worker' });
  const servingMs = monotonicMs();
  assert.deepEqual(await shop.serials(), serials);
  await traffic.more(500);

  const failures = await traffic.stop();
  // Requests of HTTP/2 share connections, so that each of its lanes may lose one.
  const [shared, single] = [failures.filter(({ mode }) => mode === 'h2'), failures.filter(({ mode }) => mode !== 'h2')];
  assert.ok(single.length <= held, `${single.length} failures, ${held} connections were held`);
  assert.ok(shared.length <= h2Lanes, `${shared.length} failures of ${h2Lanes} requests`);
  assert.deepEqual(
    failures.filter(({ code, startedMs }) => code === 'ECONNREFUSED' || startedMs > servingMs),
    [],
  );
  assert.equal(await shop.issuances(), 2);
  t.diagnostic(`connections held: ${held}, requests lost: ${failures.length}`);
});

test(
  'never (§5.4): control killed while a renewal is under way goes on with the same order when the CA is back',
  { skip: await missingTools('pebble', 'pebble-challtestsrv') },
  async () => {
    const place = await site();
    // Validation takes a moment, so that the order is open when everything stops.
    const slow = { PEBBLE_VA_NOSLEEP: '0', PEBBLE_VA_SLEEPTIME: '2' };
    await using pebble = await startPebble({ httpPort: place.http, authzReusePercent: 0, env: slow });
    await using certplane = await startCertplane({ configYaml: configFor(place, pebble) });
    const { serial, version } = await ready(certplane, 'the first certificate');
    const requested = await certplane.cli(['renew', 'shop']);
    assert.equal(requested.code, 0, requested.stderr);
    await until(() => pebble.ordersCreated() === 2, { what: 'the order of the renewal', everyMs: 10 });
    await until(async () => (await show(certplane)).progress !== null, { what: 'the order in the state' });
    pebble.pause();

    const control = processesOf(certplane, 'control')[0]?.pid ?? 0;
    process.kill(control, 'SIGKILL');
    const resumed = await until(
      async () => {
        const shown = await show(certplane);
        return processesOf(certplane, 'control')[0]?.pid !== control && shown;
      },
      { timeoutMs: 20_000, what: 'control again' },
    );
    assert.deepEqual([resumed.serial, resumed.phase.state], [serial, 'renewing']);
    pebble.resume();

    const renewed = await until(
      async () => {
        const shown = await show(certplane);
        return shown.version !== version && shown.servedBy.some(({ upToDate }) => upToDate) && shown;
      },
      { timeoutMs: 60_000, what: 'the renewed certificate, served' },
    );
    assert.notEqual(renewed.serial, serial);
    assert.deepEqual([pebble.ordersCreated(), pebble.certificatesIssued()], [2, 2]);
  },
);
