import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { ActiveHealth } from '../../../../src/core/backend.ts';
import { startBackend } from '../../../support/backend.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { freePort } from '../../../support/ports.ts';
import { until } from '../../../support/until.ts';
import { backendOf, begin, send, startBackends, type TestBackends } from '../support/backends.ts';

const checks: ActiveHealth = {
  path: '/healthz',
  host: 'health.test',
  intervalMs: 10_000,
  timeoutMs: 2_000,
  healthyAfter: 2,
  unhealthyAfter: 3,
  status: [200, 299],
};
const random = { next: () => 0.5 };

interface Patient extends AsyncDisposable {
  readonly port: number;
  status: number | 'silent';
  readonly checks: string[];
  requests: number;
}

/** Its health is what the test says. */
async function patient(): Promise<Patient> {
  const server: Server = createServer((request, response) => {
    if (request.url !== '/healthz') {
      self.requests += 1;
      response.end('ok');
      return;
    }
    self.checks.push(`${request.method} ${request.headers.host}`);
    if (self.status !== 'silent') response.writeHead(self.status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const self = {
    port: (server.address() as AddressInfo).port,
    status: 200 as number | 'silent',
    checks: [] as string[],
    requests: 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return self;
}

function states(backends: TestBackends): string[] {
  return backends.states().map(({ state }) => state);
}

/** Lets the next check happen, to its end. */
async function oneCheck(clock: ManualClock, one: Patient, ms = 10_000): Promise<void> {
  const before = one.checks.length;
  await clock.advance(ms);
  await until(() => one.checks.length > before, { everyMs: 2, what: 'a check' });
  // The schedule's next wait shows that the result is in.
  await until(() => clock.pending.some((at) => at > clock.now() + 2_500), { everyMs: 2, what: 'the next wait' });
  await settle();
}

test('checks take an endpoint out after so many failures in a row and bring it back after so many successes', async () => {
  await using sick = await patient();
  await using well = await startBackend();
  const clock = new ManualClock();
  await using backends = startBackends(
    {
      app: backendOf([sick.port, well.port], { activeHealth: { ...checks, path: undefined } }),
      one: backendOf([sick.port], { activeHealth: checks }),
    },
    { clock, random },
  );
  assert.deepEqual(states(backends), ['unchecked', 'unchecked', 'unchecked']);
  await oneCheck(clock, sick, 500);
  assert.deepEqual(sick.checks, ['GET health.test']);
  assert.deepEqual(states(backends), ['up', 'up', 'up']);
  sick.status = 500;
  await oneCheck(clock, sick);
  await oneCheck(clock, sick);
  assert.equal(states(backends)[2], 'up');
  await oneCheck(clock, sick);
  const [, , down] = backends.states();
  assert.deepEqual([down?.state, down?.reason], ['down', 'it answered 500']);
  assert.deepEqual(states(backends).slice(0, 2), ['up', 'up'], 'connecting is enough where no path is set');
  const answer = await send(backends, 'one');
  assert.equal(answer.failure, 'backend-unavailable');
  assert.match(answer.detail, /no endpoint is healthy.*it answered 500/);
  sick.status = 204;
  await oneCheck(clock, sick);
  assert.equal(states(backends)[2], 'down');
  await oneCheck(clock, sick);
  assert.equal(states(backends)[2], 'up');
  assert.equal((await send(backends, 'one')).body, 'ok');
});

test('the first check decides at once; a backend that says nothing is given up after the time set', async () => {
  await using one = await patient();
  one.status = 'silent';
  const clock = new ManualClock();
  await using backends = startBackends({ app: backendOf([one.port], { activeHealth: checks }) }, { clock, random });
  assert.equal((await send(backends, 'app')).body, 'ok', 'before the first check it counts as healthy');
  await clock.advance(500);
  await until(() => one.checks.length === 1, { everyMs: 2 });
  await clock.advance(2_000);
  await until(() => states(backends)[0] === 'down', { everyMs: 2 });
  assert.equal(backends.states()[0]?.reason, 'no answer in 2000 ms');
  assert.deepEqual(
    backends.warnings.map(({ endpoint }) => endpoint),
    [`127.0.0.1:${one.port}`],
  );
});

test('requests avoid an endpoint that checks found down', async () => {
  await using sick = await patient();
  await using well = await patient();
  sick.status = 503;
  const clock = new ManualClock();
  await using backends = startBackends(
    { app: backendOf([sick.port, well.port], { activeHealth: checks }) },
    { clock, random },
  );
  await oneCheck(clock, sick, 500);
  await until(() => states(backends).join() === 'down,up', { everyMs: 2 });
  for (let i = 0; i < 4; i += 1) await send(backends, 'app');
  assert.deepEqual([sick.requests, well.requests], [0, 4]);
});

test('checks end with the settings that asked for them', async () => {
  await using one = await patient();
  const clock = new ManualClock();
  await using backends = startBackends({ app: backendOf([one.port], { activeHealth: checks }) }, { clock, random });
  await oneCheck(clock, one, 500);
  backends.update({ backends: { app: backendOf([one.port]) }, files: {} });
  await settle();
  assert.deepEqual(clock.pending, []);
  backends.update({ backends: { app: backendOf([one.port], { activeHealth: checks }) }, files: {} });
  await oneCheck(clock, one, 500);
  backends.update({ backends: {}, files: {} });
  await settle();
  assert.deepEqual(clock.pending, []);
});

test('an endpoint that is out is tried by one request when its time is over: with success it is back, step by step', async () => {
  const port = await freePort();
  await using good = await patient();
  const clock = new ManualClock();
  await using backends = startBackends(
    {
      app: backendOf([port, good.port], { passiveHealth: { failures: 1, ejectMs: 5_000 }, slowStartMs: 10_000 }),
    },
    { clock, random },
  );
  for (let i = 0; i < 4; i += 1) await send(backends, 'app');
  assert.deepEqual(states(backends), ['ejected', 'up']);
  await clock.advance(5_000);
  assert.deepEqual(states(backends), ['trial', 'up']);
  for (let i = 0; i < 2; i += 1) await send(backends, 'app');
  assert.deepEqual(states(backends), ['ejected', 'up'], 'the trial failed');
  await clock.advance(5_000);
  await using back = await startBackend({ port });
  const held = [begin(backends, 'app', { target: '/hang' }), begin(backends, 'app', { target: '/hang' })];
  const trial = held.find(({ call }) => call.endpoint === `127.0.0.1:${port}`);
  assert.ok(trial !== undefined);
  for (let i = 0; i < 3; i += 1)
    assert.equal(
      (await send(backends, 'app')).call.endpoint,
      `127.0.0.1:${good.port}`,
      'one request at a time tries it',
    );
  trial.call.abort();
  await send(backends, 'app');
  await send(backends, 'app');
  assert.deepEqual(states(backends), ['starting', 'up']);
  const share = async (): Promise<number> => {
    const before = back.requests;
    for (let i = 0; i < 22; i += 1) await send(backends, 'app');
    return back.requests - before;
  };
  assert.equal(await share(), 2, 'a tenth of its share');
  await clock.advance(4_000);
  const half = await share();
  assert.ok(half > 5 && half < 9, `${half}`);
  await clock.advance(6_000);
  assert.equal(await share(), 11);
  assert.deepEqual(states(backends), ['up', 'up']);
});

test('when requests have failed everywhere, requests are still tried', async () => {
  const [one, two] = [await freePort(), await freePort()];
  const clock = new ManualClock();
  await using backends = startBackends(
    { app: backendOf([one, two], { retries: 0, passiveHealth: { failures: 1, ejectMs: 5_000 } }) },
    { clock },
  );
  for (let i = 0; i < 5; i += 1) assert.equal((await send(backends, 'app')).failure, 'backend-refused');
  assert.equal(states(backends).filter((state) => state === 'ejected').length, 1);
  await using back = await startBackend({ port: one });
  await using too = await startBackend({ port: two });
  assert.equal((await send(backends, 'app')).status, 200);
  assert.equal(back.requests + too.requests, 1);
});
