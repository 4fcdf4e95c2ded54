import assert from 'node:assert/strict';
import test from 'node:test';
import { isForbidden } from '../../../../src/terminator/upstream/addresses/forbidden.ts';
import type { Lookup } from '../../../../src/terminator/upstream/addresses/name.ts';
import { startBackend } from '../../../support/backend.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { backendOf, begin, send, startBackends, type TestBackends } from '../support/backends.ts';

/** Names as the test says; a promise is an answer that takes its time. */
function names(
  answers: Record<string, readonly string[] | Error | Promise<readonly string[]>>,
): Lookup & { asked: string[] } {
  const asked: string[] = [];
  const lookup = async (host: string): Promise<readonly string[]> => {
    asked.push(host);
    const answer = await answers[host];
    if (answer === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return Object.assign(lookup, { asked });
}

function endpoints(backends: TestBackends): string[] {
  return backends.states().map(({ endpoint }) => endpoint);
}

function at(host: string, port: number, weight = 1): { host: string; port: number; weight: number } {
  return { host, port, weight };
}

test('never (§5.14): a name leads to loopback, link-local or "this host" unless it is localhost or the address is written out', async () => {
  for (const address of [
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
    '169.254.169.254',
    '::1',
    '::',
    'fe80::1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    'nonsense',
  ])
    assert.equal(isForbidden(address), true, address);
  for (const address of ['10.0.0.1', '192.168.1.1', '128.0.0.1', '2001:db8::1', 'fd00::1', '::ffff:10.0.0.1'])
    assert.equal(isForbidden(address), false, address);
  await using backend = await startBackend();
  const lookup = names({ 'evil.test': ['127.0.0.1'], 'meta.test': ['169.254.169.254'], localhost: ['127.0.0.1'] });
  await using backends = startBackends(
    {
      evil: backendOf([at('evil.test', backend.port)]),
      meta: backendOf([at('meta.test', 80)]),
      local: backendOf([at('localhost', backend.port)]),
      written: backendOf([at('127.0.0.1', backend.port)]),
    },
    { lookup },
  );
  for (const name of ['evil', 'meta']) {
    const answer = await send(backends, name);
    assert.equal(answer.failure, 'backend-forbidden-address');
    assert.match(answer.detail, /resolves to (?:127\.0\.0\.1|169\.254\.169\.254), a loopback or link-local address/);
  }
  assert.equal(backend.requests, 0);
  assert.equal((await send(backends, 'local')).status, 200);
  assert.equal((await send(backends, 'written')).status, 200);
  assert.deepEqual(
    backends
      .states()
      .filter(({ state }) => state === 'unresolved')
      .map(({ endpoint }) => endpoint),
    ['evil.test', 'meta.test'],
  );
});

test('forbidden addresses among others are left out; a name that turns forbidden is not used any more', async () => {
  const clock = new ManualClock();
  const answers = { 'a.test': ['10.255.255.1', '127.0.0.1', '::1', '10.255.255.1'] };
  const lookup = names(answers);
  await using backends = startBackends(
    { app: backendOf([at('a.test', 80)], { timeouts: { connectMs: 50 } }) },
    { lookup, clock },
  );
  begin(backends, 'app').call.abort();
  await settle();
  assert.deepEqual(endpoints(backends), ['10.255.255.1:80']);
  answers['a.test'] = ['127.0.0.1'];
  await clock.advance(10_000);
  begin(backends, 'app').call.abort();
  await settle();
  assert.equal((await send(backends, 'app')).failure, 'backend-forbidden-address');
});

test('a name is asked for again every 10 s while it is used, and not otherwise; endpoints come and go with it', async () => {
  const clock = new ManualClock();
  const answers: Record<string, readonly string[] | Error> = { localhost: ['127.0.0.1'] };
  const lookup = names(answers);
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([at('localhost', backend.port, 7)]) }, { lookup, clock });
  assert.deepEqual(lookup.asked, ['localhost'], 'at once, for the status');
  assert.equal((await send(backends, 'app')).status, 200);
  await clock.advance(9_999);
  assert.equal((await send(backends, 'app')).status, 200);
  assert.equal(lookup.asked.length, 1);
  await clock.advance(1);
  answers['localhost'] = ['127.0.0.1', '127.0.0.2'];
  assert.equal((await send(backends, 'app')).status, 200);
  await settle();
  assert.deepEqual(endpoints(backends), [`127.0.0.1:${backend.port}`, `127.0.0.2:${backend.port}`]);
  assert.equal(backend.connections, 1, 'what stays keeps its connections');
  await clock.advance(50_000);
  assert.equal(lookup.asked.length, 2);
  answers['localhost'] = ['127.0.0.2'];
  await clock.advance(20_000);
  // After a long pause the answer is waited for.
  const answer = await send(backends, 'app');
  assert.equal(answer.failure, 'backend-refused');
  assert.deepEqual(endpoints(backends), [`127.0.0.2:${backend.port}`]);
  assert.equal(backends.states()[0]?.requests, 1);
});

test('what was good last stays when a name fails or has no address; a name that never resolved says so', async () => {
  const clock = new ManualClock();
  const answers: Record<string, readonly string[] | Error> = { localhost: ['127.0.0.1'] };
  const lookup = names(answers);
  await using backend = await startBackend();
  await using backends = startBackends(
    { app: backendOf([at('localhost', backend.port)]), none: backendOf([at('none.test', 80)]) },
    { lookup, clock },
  );
  assert.equal((await send(backends, 'app')).status, 200);
  for (const answer of [Object.assign(new Error('x'), { code: 'EAI_AGAIN' }), []]) {
    answers['localhost'] = answer;
    await clock.advance(100_000);
    assert.equal((await send(backends, 'app')).status, 200);
  }
  const none = await send(backends, 'none');
  assert.deepEqual([none.failure, none.detail], ['backend-unresolvable', 'none.test: ENOTFOUND']);
  assert.equal(backends.states()[1]?.reason, 'backend-unresolvable: none.test: ENOTFOUND');
});

test('a name that does not answer holds a request up for the time of a connection, and others not at all', async () => {
  const never = new Promise<readonly string[]>(() => undefined);
  await using backend = await startBackend();
  await using backends = startBackends(
    {
      slow: backendOf([at('slow.test', 80)], { timeouts: { connectMs: 50 } }),
      mixed: backendOf([at('slow.test', 80), at('127.0.0.1', backend.port)]),
    },
    { lookup: names({ 'slow.test': never }) },
  );
  const slow = await send(backends, 'slow');
  assert.deepEqual([slow.failure, slow.detail], ['backend-unresolvable', 'slow.test: no answer in time']);
  assert.equal((await send(backends, 'mixed')).status, 200);
  begin(backends, 'slow').call.abort();
});

test('a name with IPv6 and IPv4 is reached over the one that answers, without a retry of the settings', async () => {
  await using backend = await startBackend(); // on 127.0.0.1 alone
  const lookup = names({ localhost: ['::1', '127.0.0.1'] });
  await using backends = startBackends({ app: backendOf([at('localhost', backend.port)], { retries: 0 }) }, { lookup });
  for (let i = 0; i < 6; i += 1) assert.equal((await send(backends, 'app', { method: 'POST' })).status, 200);
});

test('the real resolver finds localhost', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([at('localhost', backend.port)]) });
  assert.equal((await send(backends, 'app')).status, 200);
});
