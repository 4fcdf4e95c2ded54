import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { readBundle, splitChain } from '../../src/core/bundle.ts';
import { createHttp01Listener } from '../../src/acme/http01-listener.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import type { StepResult } from '../../src/core/ports/issuer.ts';
import { acmeSteps } from '../../src/issue/acme-state.ts';
import { issuerContract } from '../contract/issuer.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { toolOrSkip } from '../support/tools.ts';
import { pebbleSetting } from './support/acme-setting.ts';
import { drive, driveUntil, failed, issued } from './support/drive.ts';

const signal = new AbortController().signal;

issuerContract('acme', async (t) => {
  const setting = await pebbleSetting(t);
  if (setting === undefined) return undefined;
  return {
    create: () => setting.create(),
    request: (overrides) => ({ ...setting.request(), ...overrides }),
    wait: setting.wait,
    presenting: () => setting.presented.size > 0,
    [Symbol.asyncDispose]: setting[Symbol.asyncDispose],
  };
});

test('issues a certificate with two names that openssl verifies against the root of the CA', async (t) => {
  const openssl = await toolOrSkip(t, 'openssl');
  await using setting = await pebbleSetting(t);
  if (!openssl || !setting) return;
  await using directory = await tempDir();
  const request = setting.request('shop.example.com', 'www.shop.example.com');
  const { bundle } = issued(await drive(setting.create(), request, setting));
  const [leaf = '', ...chain] = splitChain(bundle.chainPem);
  await writeFile(directory.join('leaf.pem'), leaf);
  await writeFile(directory.join('chain.pem'), chain.join(''));
  await writeFile(directory.join('root.pem'), await setting.pebble.rootPem());
  const trust = ['-CAfile', directory.join('root.pem'), '-untrusted', directory.join('chain.pem')];
  const purpose = ['-purpose', 'sslserver', '-verify_hostname', 'www.shop.example.com'];
  const result = await openssl.run(['verify', ...trust, ...purpose, directory.join('leaf.pem')]);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.equal(setting.presented.size, 0, 'nothing stays presented');
});

test('never (§5.5): seven requests per certificate once the account exists, none of them newNonce', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 0 });
  if (!setting) return;
  const { pebble } = setting;
  const issuer = setting.create();
  issued(await drive(issuer, setting.request(), setting));
  assert.equal(pebble.countRequests('HEAD /nonce-plz'), 1, 'one newNonce, for the account');
  for (let i = 0; i < 3; i += 1) {
    const before = pebble.countRequests('/');
    let polls = 0;
    const end = await drive(issuer, setting.request(), {
      ...setting,
      after: (state, result) => {
        if (result.kind === 'continue' && result.state.step === state.step) polls += 1;
      },
    });
    issued(end);
    assert.equal(pebble.countRequests('/') - before - polls, 7);
  }
  assert.equal(pebble.countRequests('HEAD /nonce-plz'), 1);
});

test('refused nonces are tried again with the fresh one, without asking for newNonce', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 20 });
  if (!setting) return;
  const issuer = setting.create();
  for (let i = 0; i < 10; i += 1) issued(await drive(issuer, setting.request(), setting));
  const { pebble } = setting;
  assert.ok(pebble.countRequests('POST /order-plz') > 10 || pebble.countRequests('POST /') > 75, 'nonces were refused');
  assert.equal(pebble.ordersCreated(), 10);
  assert.equal(pebble.countRequests('HEAD /nonce-plz'), 1);
});

test('never (§5.6): certificates that start together share one account and all arrive', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  const issuer = setting.create();
  const ends = await Promise.all(
    Array.from({ length: 6 }, async () => await drive(issuer, setting.request(), setting)),
  );
  for (const end of ends) issued(end);
  assert.equal(setting.store.puts.get('account'), 2, 'the key, then the URL');
  assert.equal(setting.pebble.log().filter((line) => line.includes('There are now 1 accounts')).length, 1);
  assert.equal(setting.pebble.log().filter((line) => /There are now [^1] accounts/.test(line)).length, 0);
});

test('never (§5.4): resumed by another process after each step, an order is one newOrder and one finalize', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 0 });
  if (!setting) return;
  for (const [done, step] of acmeSteps.entries()) {
    const request = setting.request('a.example.com', 'b.example.com');
    // The CA looks when the first process, and with it the answers in its memory, is gone.
    if (done <= acmeSteps.indexOf('finalize')) setting.late.hold();
    const state = await driveUntil(setting.create(), request, { ...setting, stopAt: (at) => at.step === step });
    assert.ok('step' in state);
    const next = setting.create();
    setting.late.release();
    readBundle(issued(await drive(next, request, { ...setting, from: state })).bundle, request.dnsNames);
    assert.equal(setting.pebble.countRequests('POST /order-plz'), done + 1, `newOrder, resumed before ${step}`);
    assert.equal(setting.pebble.countRequests('POST /finalize-order/'), done + 1, `finalize, resumed before ${step}`);
    assert.equal(setting.pebble.certificatesIssued(), done + 1);
  }
});

test('never (§5.4): a process that dies after a step and before it is persisted repeats it without a second order', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 0 });
  if (!setting) return;
  for (const [done, step] of acmeSteps.entries()) {
    const request = setting.request('a.example.com', 'b.example.com');
    const stopped = { ...setting, stopAt: (at: { step: string }) => at.step === step };
    if (done <= acmeSteps.indexOf('finalize')) setting.late.hold();
    const state = await driveUntil(setting.create(), request, stopped);
    assert.ok('step' in state);
    let lost: StepResult; // the answer that never reaches the disk; polls are lost one by one
    const dying = setting.create();
    setting.late.release();
    do lost = await dying.step(request, state, signal);
    while (lost.kind === 'continue' && lost.state.step === step && lost.waitUntil !== undefined);
    assert.notEqual(lost.kind, 'failed', step);
    readBundle(issued(await drive(setting.create(), request, { ...setting, from: state })).bundle, request.dnsNames);
    assert.equal(setting.pebble.countRequests('POST /order-plz'), done + 1, `newOrder, killed in ${step}`);
    assert.equal(setting.pebble.countRequests('POST /finalize-order/'), done + 1, `finalize, killed in ${step}`);
    assert.equal(setting.presented.size, 0, `nothing stays presented, killed in ${step}`);
  }
});

test('an order whose answer was lost is found on any page of the list that the account has', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 0, authzReusePercent: 100 });
  if (!setting) return;
  const { pebble } = setting;
  const issuer = setting.create();
  const request = setting.request('lost.example.com');
  const state = await driveUntil(issuer, request, { ...setting, stopAt: (at) => at.step === 'order' });
  assert.ok('step' in state);
  await issuer.step(request, state, signal);
  for (let i = 0; i < 7; i += 1) issued(await drive(issuer, setting.request('other.example.com'), setting));
  issued(await drive(setting.create(), request, { ...setting, from: state }));
  assert.equal(pebble.countRequests('POST /list-orderz/'), 3, 'three orders a page');
  assert.equal(pebble.ordersCreated(), 8);
});

test('names that are still authorized are not proved again', async (t) => {
  await using setting = await pebbleSetting(t, { authzReusePercent: 100 });
  if (!setting) return;
  const issuer = setting.create();
  issued(await drive(issuer, setting.request('again.example.com'), setting));
  const challenges = setting.pebble.countRequests('POST /chalZ/');
  const walked: string[] = [];
  const before = (state: { step: string }): void => void walked.push(state.step);
  issued(await drive(issuer, setting.request('again.example.com'), { ...setting, before }));
  assert.equal(setting.pebble.countRequests('POST /chalZ/'), challenges);
  assert.ok(!walked.includes('present') && !walked.includes('respond'), walked.join(' '));
});

test('a host that does not answer fails its order by name with the words of the CA, and leaves nothing behind', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  setting.solver = { present: async () => undefined, cleanUp: async () => undefined }; // nothing listens
  await setting.late[Symbol.asyncDispose]();
  const issuer = setting.create();
  const request = setting.request('dead.example.com', 'dead2.example.com');
  const { error, scope, state } = failed(await drive(issuer, request, setting));
  assert.equal(error.code, 'acme.challenge-failed');
  assert.equal(scope, 'certificate');
  assert.match(error.message, /dead2?\.example\.com \(connection, "/);
  const failedNames = error.problem?.subproblems?.map(({ identifier }) => identifier?.value) ?? [];
  assert.ok(failedNames.length > 0 && failedNames.every((name) => request.dnsNames.includes(name ?? '')));
  await issuer.abandon(request, state, signal);
  assert.equal(setting.presented.size, 0);
  assert.equal((await issuer.describe(signal)).problem, undefined, 'one dead name is not a problem of the issuer');
});

test('the pending authorizations of an abandoned order are deactivated at the CA, valid ones are kept', async (t) => {
  await using setting = await pebbleSetting(t, { nonceRejectPercent: 0, authzReusePercent: 100 });
  if (!setting) return;
  const issuer = setting.create();
  issued(await drive(issuer, setting.request('valid.example.com'), setting));
  const request = setting.request('valid.example.com', 'y.example.com', 'z.example.com');
  const state = await driveUntil(issuer, request, { ...setting, stopAt: (at) => at.step === 'respond' });
  assert.ok('step' in state);
  assert.equal(setting.presented.size, 2);
  const posts = (): number => setting.pebble.countRequests('POST /authZ/');
  let before = posts();
  await issuer.abandon(request, state, signal);
  assert.equal(posts() - before, 5, 'three read, two deactivated');
  assert.equal(setting.presented.size, 0);
  before = posts();
  await issuer.abandon(request, state, signal);
  assert.equal(posts() - before, 3, 'the second time only read');
  const { error } = failed(await drive(issuer, request, { ...setting, from: { ...state, step: 'authorize' } }));
  assert.equal(error.code, 'acme.order-invalid', 'the order is over');
  const walked: string[] = [];
  const watch = { ...setting, before: (at: { step: string }): void => void walked.push(at.step) };
  issued(await drive(issuer, setting.request('valid.example.com'), watch));
  assert.ok(!walked.includes('present'), 'the valid one is still there');
});

test('a wildcard and a name without a solver fail before anything is asked of the CA', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  const { error, scope } = failed(await drive(setting.create(), setting.request('*.example.com'), setting));
  assert.equal(error.code, 'challenge.no-solver');
  assert.equal(scope, 'certificate');
  assert.match(error.message, /^\*\.example\.com is a wildcard/);
  assert.equal(setting.pebble.countRequests('POST '), 0);
});

test('a listener whose port is taken says which and what to do, and the order is over', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  const listen = { host: '127.0.0.1', port: setting.port };
  await using taken = createHttp01Listener({ listen, log: silentLog });
  await taken.present(
    { type: 'http-01', identifier: 'x', token: 'x', keyAuthorization: 'x', certificateId: 'x' },
    signal,
  );
  const { error } = failed(await drive(setting.create(), setting.request(), setting));
  assert.equal(error.code, 'challenge.present-failed');
  assert.ok(error.message.includes(`127.0.0.1:${listen.port} (EADDRINUSE)`), error.message);
});

test('a name that the CA refuses fails that certificate only, with the words of the CA', async (t) => {
  await using setting = await pebbleSetting(t, { blockedDomains: ['blocked.example.com'] });
  if (!setting) return;
  const issuer = setting.create();
  const refused = setting.request('good.example.com', 'blocked.example.com');
  const { error, scope } = failed(await drive(issuer, refused, setting));
  assert.equal(error.code, 'acme.rejected');
  assert.equal(scope, 'certificate');
  assert.match(error.message, /rejectedIdentifier.*blocked\.example\.com/);
  assert.match(error.problem?.type ?? '', /rejectedIdentifier$/);
  issued(await drive(issuer, setting.request(), setting));
});

test('the account survives restarts, its terms and address are described, and a new e-mail address is told to the CA', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  issued(await drive(setting.create({ email: 'one@example.com' }), setting.request(), setting));
  const again = setting.create({ email: 'two@example.com' });
  issued(await drive(again, setting.request(), setting));
  const { account, termsOfService } = await again.describe(signal);
  assert.match(account ?? '', /^https:\/\/localhost:\d+\/my-account\//);
  assert.match(termsOfService ?? '', /Do%20what%20thou%20wilt/);
  const records = await setting.store.list('account');
  assert.equal(records.items.length, 1);
  assert.equal(records.items[0]?.value.email, 'two@example.com');
  assert.equal(setting.pebble.log().filter((line) => line.includes('There are now 2 accounts')).length, 0);
});

test('an account that the CA has forgotten is registered again with the same key', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  issued(await drive(setting.create(), setting.request(), setting));
  const [stored] = (await setting.store.list('account')).items;
  assert.ok(stored);
  const url = `${stored.value.url}0`;
  const value = { ...stored.value, url };
  await setting.store.put('account', { key: stored.key, value, expect: { revision: stored.revision } });
  issued(await drive(setting.create(), setting.request(), setting));
  assert.equal((await setting.store.get('account', stored.key)).value.url, stored.value.url);
});

test('a directory whose HTTPS is not trusted fails for the issuer and names caBundle', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  const other = await TestCa.create('Another CA');
  for (const caBundlePem of [other.certPem, 'no certificate at all']) {
    const { error, scope } = failed(await drive(setting.create({ caBundlePem }), setting.request(), setting));
    assert.equal(error.code, 'issuer.tls-untrusted');
    assert.equal(scope, 'issuer');
    assert.match(error.message, /caBundle/);
  }
});

test('never (§5.6): a CA that is down fails at once for the issuer, and the next attempt after it is back succeeds', async (t) => {
  await using setting = await pebbleSetting(t);
  if (!setting) return;
  const port = new URL(setting.pebble.directoryUrl).port;
  const issuer = setting.create({ directory: `https://localhost:${Number(port) + 1}/dir` });
  const { error, scope } = failed(await drive(issuer, setting.request(), setting));
  assert.equal(error.code, 'issuer.unreachable');
  assert.equal(scope, 'issuer');
  assert.match(error.message, /The CA at localhost:\d+ cannot be reached \(ECONNREFUSED\)/);
  assert.deepEqual((await issuer.describe(signal)).problem?.code, 'issuer.unreachable');
  issued(await drive(setting.create(), setting.request(), setting));
});
