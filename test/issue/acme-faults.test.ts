import assert from 'node:assert/strict';
import test from 'node:test';
import { CertplaneError, hasCode } from '../../src/core/errors.ts';
import type { IssuanceState, StepResult } from '../../src/core/ports/issuer.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { acmeSetting, type AcmeSetting } from './support/acme-setting.ts';
import { drive, driveUntil, failed, issued, persisted } from './support/drive.ts';
import { startScriptedCa, type ScriptedCa } from './support/scripted-ca.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const signal = new AbortController().signal;

interface Scene extends AcmeSetting<ManualClock> {
  readonly ca: ScriptedCa;
  readonly wait: (until: number) => Promise<void>;
}

const idleSolver = { present: async () => undefined, cleanUp: async () => undefined };

/** A scripted CA, and time that moves only to where an order waits for. */
async function scene(): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const ca = stack.use(await startScriptedCa());
  const clock = new ManualClock('2026-01-01T00:00:00Z');
  const setting = acmeSetting({ directory: ca.directoryUrl, caPem: ca.caPem, clock, solver: () => idleSolver });
  stack.defer(setting[Symbol.asyncDispose]);
  return Object.assign(setting, {
    ca,
    wait: async (until: number) => await clock.jumpTo(until),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  });
}

async function stateAt(setting: Scene, step: string): Promise<IssuanceState> {
  const state = await driveUntil(setting.create(), setting.request('shop.example.com'), {
    ...setting,
    stopAt: (at) => at.step === step,
  });
  assert.ok('step' in state, `no state of ${step}`);
  return state;
}

test('the scripted CA issues when it is left alone', async () => {
  await using setting = await scene();
  issued(await drive(setting.create(), setting.request(), setting));
  const { requests } = setting.ca;
  assert.equal(requests.filter((one) => one === 'newOrder').length, 1);
  assert.equal(requests.filter((one) => one === 'newNonce').length, 0, 'the nonce of each answer is used');
});

for (const [what, script, code] of [
  [
    'an HTML page',
    { headers: { 'content-type': 'text/html' }, body: '<html>Please log in</html>' },
    'issuer.response-invalid',
  ],
  ['an endless body', 'endless', 'issuer.response-invalid'],
  ['a JSON array', { body: '[1, 2]' }, 'issuer.response-invalid'],
  ['a redirection', { status: 302, headers: { location: 'https://localhost/' }, body: '' }, 'issuer.response-invalid'],
  ['a directory without newNonce', { body: { meta: {} } }, 'issuer.response-invalid'],
  [
    'a directory that leads away from https',
    { body: { newNonce: 'http://localhost/n', newAccount: 'http://localhost/a' } },
    'issuer.response-invalid',
  ],
  [
    'status 503 in HTML',
    { status: 503, headers: { 'content-type': 'text/html' }, body: '<h1>503</h1>' },
    'acme.server-error',
  ],
  [
    'status 404 in HTML',
    { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404</h1>' },
    'issuer.response-invalid',
  ],
  ['a dropped connection', 'close', 'issuer.unreachable'],
] as const) {
  test(`${what} instead of the directory is ${code} for the whole issuer`, async () => {
    await using setting = await scene();
    setting.ca.always('directory', script);
    const issuer = setting.create();
    const { error, scope } = failed(await drive(issuer, setting.request(), setting));
    assert.equal(error.code, code, error.message);
    assert.equal(scope, 'issuer');
    assert.match(error.message, /^The CA at localhost:\d+ /);
    assert.ok(!error.message.includes('<'), error.message);
    assert.equal((await issuer.describe(signal)).problem?.code, code);
  });
}

test('a CA that accepts the connection and never answers is given up after 30 s, and at once when aborted', async () => {
  await using setting = await scene();
  setting.ca.always('directory', 'stall');
  const issuer = setting.create();
  const request = setting.request();
  const running = issuer.step(request, issuer.begin(request), signal);
  await setting.ca.asked('directory');
  await setting.clock.advance(29 * second);
  assert.equal(setting.clock.pending.length, 1, 'it still waits');
  await setting.clock.advance(second);
  const result = await running;
  assert.ok(result.kind === 'failed');
  assert.equal(result.error.code, 'issuer.timeout');
  assert.equal(result.scope, 'issuer');

  const stop = new AbortController();
  const aborted = issuer.step(request, issuer.begin(request), stop.signal);
  await setting.ca.asked('directory', 2);
  stop.abort();
  await assert.rejects(aborted, (error) => hasCode(error, 'process.aborted'));
  assert.equal(setting.clock.pending.length, 0, 'no timer is left');
});

for (const [detail, subproblems, scope] of [
  ['too many new orders (300) from this account in the last 3h0m0s', undefined, 'issuer'],
  [
    'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s',
    undefined,
    'certificate',
  ],
  ['too many certificates (50) already issued for "example.com" in the last 168h0m0s', undefined, 'certificate'],
  ['too many failed authorizations (5) for "shop.example.com" in the last 1h0m0s', undefined, 'certificate'],
  ['see subproblems', [{ identifier: { type: 'dns', value: 'shop.example.com' } }], 'certificate'],
] as const) {
  test(`never (§5.5): 429 "${detail.slice(0, 40)}…" keeps Retry-After and concerns the ${scope}`, async () => {
    await using setting = await scene();
    const type = 'urn:ietf:params:acme:error:rateLimited';
    const parts = subproblems?.map(({ identifier }) => ({ type, detail: 'too many', identifier }));
    const body = setting.ca.problem('rateLimited', detail, { status: 429, subproblems: parts });
    setting.ca.always('newOrder', { status: 429, headers: { 'retry-after': '7200' }, body });
    const end = failed(await drive(setting.create(), setting.request('shop.example.com'), setting));
    assert.equal(end.error.code, 'acme.rate-limited');
    assert.equal(end.error.retryAt, setting.clock.now() + 2 * hour);
    assert.equal(end.error.problem?.detail, detail);
    assert.equal(end.scope, scope);
    assert.equal(setting.ca.requests.filter((one) => one === 'newOrder').length, 1, 'asked once, not again');
  });
}

test('Retry-After as a date is honoured like one in seconds', async () => {
  await using setting = await scene();
  const at = setting.clock.now() + 3 * hour;
  const headers = { 'retry-after': new Date(at).toUTCString() };
  setting.ca.always('newOrder', { status: 503, headers, body: setting.ca.problem('rateLimited', 'busy') });
  const { error } = failed(await drive(setting.create(), setting.request(), setting));
  assert.equal(error.code, 'acme.rate-limited');
  assert.equal(error.retryAt, at);
});

test('a CA that wants an external account binding or new terms says so in our words', async () => {
  await using setting = await scene();
  const { ca } = setting;
  ca.next('newAccount', { status: 403, body: ca.problem('externalAccountRequired', 'EAB please') });
  const first = failed(await drive(setting.create(), setting.request(), setting));
  assert.equal(first.error.code, 'acme.account-rejected');
  assert.equal(first.scope, 'issuer');
  assert.match(first.error.message, /external account binding, which is not configured/);
  ca.next('newOrder', {
    status: 403,
    body: ca.problem('userActionRequired', 'new terms', { instance: 'https://ca.example/tos' }),
  });
  const second = failed(await drive(setting.create(), setting.request(), setting));
  assert.equal(second.error.code, 'acme.terms-required');
  assert.match(second.error.message, /https:\/\/ca\.example\/tos/);
});

test('never (§5.4): whatever goes wrong for a while inside an order, it waits, goes on, and is one order', async () => {
  for (const [step, resource] of [
    ['authorize', 'authorization'],
    ['respond', 'challenge'],
    ['finalize', 'order'],
    ['finalize', 'finalize'],
    ['collect', 'order'],
    ['download', 'certificate'],
  ] as const) {
    await using setting = await scene();
    const { ca, clock } = setting;
    const request = setting.request('shop.example.com');
    const state = await stateAt(setting, step);
    const busy = { status: 503, headers: { 'retry-after': '60' }, body: ca.problem('serverInternal', 'busy') };
    ca.next(resource, 'close', busy, { status: 429, body: ca.problem('rateLimited', 'slow down') });
    const waits: number[] = [];
    const after = (_: IssuanceState, result: StepResult): void => {
      if (result.kind === 'continue' && result.waitUntil !== undefined) waits.push(result.waitUntil - clock.now());
    };
    issued(await drive(setting.create(), request, { ...setting, from: state, after }));
    assert.deepEqual(waits.slice(0, 3), [5 * second, minute, 20 * second], `waits at ${step} (${resource})`);
    assert.equal(ca.orders.length, 1);
  }
});

test('trouble inside an order is bounded: it is given up in the end, with the last reason', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'collect');
  setting.ca.always('order', 'close');
  const startedAt = setting.clock.now();
  const end = failed(await drive(setting.create(), setting.request(), { ...setting, from: state }));
  assert.equal(end.error.code, 'issuer.unreachable');
  const minutes = (setting.clock.now() - startedAt) / minute;
  assert.ok(minutes > 5 && minutes < 30, `${minutes} minutes`);
});

test('a Retry-After of hours inside an order ends it instead of holding it', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'finalize');
  const body = setting.ca.problem('rateLimited', 'come back tomorrow');
  setting.ca.always('order', { status: 429, headers: { 'retry-after': '86400' }, body });
  const { error } = failed(await drive(setting.create(), setting.request(), { ...setting, from: state }));
  assert.equal(error.retryAt, setting.clock.now() + 24 * hour);
});

test('never (§5.4): an answer to newOrder that is lost is looked for in the list of the account', async () => {
  await using setting = await scene();
  const { ca, clock } = setting;
  const request = setting.request('shop.example.com');
  const issuer = setting.create();
  const state = await driveUntil(issuer, request, { ...setting, stopAt: (at) => at.step === 'order' });
  assert.ok('step' in state);
  ca.orders.push(
    { status: 'pending', authorization: 'pending', names: ['shop.example.com'] },
    { status: 'pending', authorization: 'pending', names: ['other.example.com'] },
    { status: 'invalid', authorization: 'invalid', names: ['shop.example.com'] },
  );
  ca.next('newOrder', 'stall');
  const running = issuer.step(request, state, signal);
  await ca.asked('newOrder');
  await clock.advance(30 * second);
  const lost = await running;
  assert.ok(lost.kind === 'continue' && lost.state.step === 'order', 'a timeout may mean that there is an order');
  issued(await drive(issuer, request, { ...setting, from: persisted(lost.state) }));
  assert.equal(ca.requests.filter((one) => one === 'newOrder').length, 1);
  assert.equal(ca.orders.length, 3);
});

for (const [what, script] of [
  ['a closed connection', 'close'],
  ['a 502', { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>502</h1>' }],
  ['an answer that is none', { body: '[]' }],
] as const) {
  test(`never (§5.4, §5.5): after ${what} in place of the answer to newOrder the next attempt looks for the order`, async () => {
    await using setting = await scene();
    const { ca } = setting;
    const request = setting.request('shop.example.com');
    ca.next('newOrder', () => {
      ca.orders.push({ status: 'pending', authorization: 'pending', names: ['shop.example.com'] });
      return script;
    });
    const issuer = setting.create();
    const end = failed(await drive(issuer, request, setting));
    assert.equal(end.scope, 'issuer', 'others need not find out one by one');
    assert.notEqual(end.nothingOrdered, true);
    await issuer.abandon(request, persisted(end.state), signal);
    // As after a restart, which may come at any time.
    issued(await drive(setting.create(), request, setting));
    assert.equal(ca.requests.filter((one) => one === 'newOrder').length, 1);
    assert.equal(ca.orders.length, 1);
    issued(await drive(setting.create(), request, setting));
    assert.equal(ca.requests.filter((one) => one === 'orders').length, 1, 'it is looked for once');
  });
}

test('what reached nobody, or was refused, leaves no order to look for, and what reached nobody has cost none', async () => {
  await using setting = await scene();
  const { ca } = setting;
  const request = setting.request('shop.example.com');
  const nowhere = setting.create({ directory: 'https://localhost:1/directory' });
  const unregistered = failed(await drive(nowhere, request, setting));
  assert.equal(unregistered.nothingOrdered, true, 'it did not come to newOrder');
  const issuer = setting.create();
  ca.next('newOrder', { status: 400, body: ca.problem('rejectedIdentifier', 'no') });
  const refused = failed(await drive(issuer, request, setting));
  assert.notEqual(refused.nothingOrdered, true);
  await issuer.abandon(request, persisted(refused.state), signal);
  issued(await drive(issuer, request, setting));
  assert.ok(!ca.requests.includes('orders'));
});

test('a connection to the CA that does not come about costs no order, also in the middle of one', async () => {
  await using setting = await scene();
  const { ca } = setting;
  const request = setting.request('shop.example.com');
  const issuer = setting.create();
  const state = await driveUntil(issuer, request, { ...setting, stopAt: (at) => at.step === 'order' });
  assert.ok('step' in state);
  await ca[Symbol.asyncDispose]();
  await settle(); // sees its kept connections end, and opens another one
  const end = failed(await drive(issuer, request, { ...setting, from: state }));
  assert.equal(end.error.code, 'issuer.unreachable');
  assert.equal(end.nothingOrdered, true, end.error.message);
});

test('an open order that another certificate uses is not taken over', async () => {
  await using setting = await scene();
  const { ca, store } = setting;
  const request = setting.request('shop.example.com');
  const state = await driveUntil(setting.create(), request, { ...setting, stopAt: (at) => at.step === 'order' });
  assert.ok('step' in state);
  ca.orders.push({ status: 'pending', authorization: 'pending', names: ['shop.example.com'] });
  const url = `${new URL(ca.directoryUrl).origin}/order/0`;
  const record = { certificateId: 'file/else', issuerName: 'test', request, digest: '', startedAt: 0, step: 'present' };
  const value = { ...record, reason: { code: 'new', message: 'new' }, data: { order: { url } } };
  await store.put('order', { key: 'file/else', value, expect: 'absent' });
  issued(await drive(setting.create(), request, { ...setting, from: state }));
  assert.equal(ca.requests.filter((one) => one === 'newOrder').length, 1);
});

test('a CA without a list of orders gets a new order after a lost answer', async () => {
  await using setting = await scene();
  const request = setting.request('shop.example.com');
  const state = await driveUntil(setting.create(), request, { ...setting, stopAt: (at) => at.step === 'order' });
  assert.ok('step' in state);
  for (const reply of [{ status: 404, body: 'not here' }, { body: { status: 'valid' } }])
    setting.ca.next('account', reply);
  issued(await drive(setting.create(), request, { ...setting, from: state }));
  issued(await drive(setting.create(), request, { ...setting, from: state }));
  assert.equal(setting.ca.orders.length, 2);
});

test('an order that becomes invalid carries the subproblems of the CA and names the host', async () => {
  await using setting = await scene();
  const { ca } = setting;
  const state = await stateAt(setting, 'collect');
  const subproblems = [
    { ...ca.problem('caa', 'CAA forbids it'), identifier: { type: 'dns', value: 'shop.example.com' } },
    { ...ca.problem('dns', 'SERVFAIL'), identifier: { type: 'dns', value: 'www.example.com' } },
  ];
  Object.assign(ca.orders[0] ?? {}, {
    status: 'invalid',
    error: ca.problem('compound', 'two errors', { subproblems }),
  });
  const end = failed(await drive(setting.create(), setting.request(), { ...setting, from: state }));
  const { error, scope, nothingIssued } = end;
  assert.equal(error.code, 'acme.order-invalid');
  assert.deepEqual([scope, nothingIssued], ['certificate', true]);
  assert.match(error.message, /shop\.example\.com: caa, "CAA forbids it", www\.example\.com: dns, "SERVFAIL"/);
  assert.equal(error.problem?.subproblems?.length, 2);
});

test('a challenge that fails names its host with the words of the CA', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'finalize');
  const challengeError = setting.ca.problem('unauthorized', 'got \u001b[31mthe\nwrong answer', { status: 403 });
  Object.assign(setting.ca.orders[0] ?? {}, { status: 'invalid', authorization: 'invalid', challengeError });
  const end = failed(await drive(setting.create(), setting.request(), { ...setting, from: state }));
  const { error, scope, nothingIssued } = end;
  assert.equal(error.code, 'acme.challenge-failed');
  assert.deepEqual([scope, nothingIssued], ['certificate', true]);
  assert.ok(error.message.includes('shop.example.com (unauthorized, "got [31mthe wrong answer")'), error.message);
});

test('never (§5.6): an order that is validated for ever is polled after 1, 2, 4, 8, 10, 10 … s and given up after 10 min', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'finalize');
  Object.assign(setting.ca.orders[0] ?? {}, { status: 'pending', authorization: 'pending' });
  const startedAt = setting.clock.now();
  const waits: number[] = [];
  const after = (_: IssuanceState, result: StepResult): void => {
    if (result.kind === 'continue' && result.waitUntil !== undefined)
      waits.push((result.waitUntil - setting.clock.now()) / second);
  };
  const { error } = failed(await drive(setting.create(), setting.request(), { ...setting, from: state, after }));
  assert.deepEqual(waits.slice(0, 7), [1, 2, 4, 8, 10, 10, 10]);
  assert.equal(error.code, 'acme.challenge-failed');
  assert.match(error.message, /did not finish verifying shop\.example\.com within 10 minutes/);
  const minutes = (setting.clock.now() - startedAt) / minute;
  assert.ok(minutes >= 10 && minutes < 11, `${minutes} minutes`);
});

test('an order that is processed for ever is given up after 15 min; Retry-After of its answers is kept to', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'collect');
  const order = setting.ca.orders[0];
  assert.ok(order);
  Object.assign(order, { status: 'processing', certificate: undefined });
  const origin = new URL(setting.ca.directoryUrl).origin;
  const urls = { authorizations: [`${origin}/authorization/0`], finalize: `${origin}/finalize/0` };
  const body = { status: 'processing', identifiers: [{ type: 'dns', value: 'shop.example.com' }], ...urls };
  setting.ca.always('order', { headers: { 'retry-after': '120' }, body });
  const waits: number[] = [];
  const after = (_: IssuanceState, result: StepResult): void => {
    if (result.kind === 'continue' && result.waitUntil !== undefined)
      waits.push((result.waitUntil - setting.clock.now()) / second);
  };
  const end = failed(await drive(setting.create(), setting.request(), { ...setting, from: state, after }));
  assert.equal(end.error.code, 'acme.order-invalid');
  assert.equal(end.nothingIssued, false, 'it may still issue');
  assert.deepEqual(
    waits,
    Array.from({ length: 8 }, () => 120),
  );
});

test('an order that is not ready when it is finalized is asked for again', async () => {
  await using setting = await scene();
  const { ca } = setting;
  ca.next('finalize', { status: 403, body: ca.problem('orderNotReady', 'not yet') });
  issued(await drive(setting.create(), setting.request(), setting));
  assert.equal(ca.requests.filter((one) => one === 'finalize').length, 2);
});

test('never (§5.1): a certificate whose key, names or form are wrong is refused and nothing is delivered', async () => {
  for (const [tamper, code] of [
    [{ otherKey: true }, 'certificate.key-mismatch'],
    [{ names: ['evil.example.com'] }, 'certificate.name-missing'],
  ] as const) {
    await using setting = await scene();
    Object.assign(setting.ca.tamper, tamper);
    const { error, scope } = failed(await drive(setting.create(), setting.request('shop.example.com'), setting));
    assert.equal(error.code, code);
    assert.equal(scope, 'certificate');
  }
  await using setting = await scene();
  setting.ca.always('certificate', { body: '-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n' });
  assert.equal(failed(await drive(setting.create(), setting.request(), setting)).error.code, 'certificate.unparsable');
});

test('a terminator that is not there yet is waited for, a listener that cannot open is not', async () => {
  await using setting = await scene();
  let missing = 3;
  setting.solver = {
    present: async () => {
      missing -= 1;
      if (missing >= 0) throw new CertplaneError('challenge.terminator-absent', 'No terminator is connected.');
    },
    cleanUp: async () => undefined,
  };
  issued(await drive(setting.create(), setting.request(), setting));
  setting.solver = {
    present: async () => {
      throw new CertplaneError('challenge.present-failed', 'Port 80 is taken.');
    },
    cleanUp: async () => undefined,
  };
  const { error, scope } = failed(await drive(setting.create(), setting.request(), setting));
  assert.equal(error.code, 'challenge.present-failed');
  assert.equal(scope, 'certificate');
});

test('never (§5.4): answers that went with the process are put back while the CA may still look, and only then', async () => {
  for (const step of ['respond', 'key', 'finalize', 'collect']) {
    await using setting = await scene();
    const state = await stateAt(setting, step);
    const [order] = setting.ca.orders;
    assert.ok(order);
    if (step === 'finalize') Object.assign(order, { status: 'pending', authorization: 'pending' });
    const presented: string[] = [];
    setting.solver = {
      present: async ({ token }) => {
        presented.push(token);
        if (step === 'finalize') Object.assign(order, { status: 'ready', authorization: 'valid' });
      },
      cleanUp: async () => undefined,
    };
    const from = { ...setting, from: state };
    issued(await drive(setting.create(), setting.request('shop.example.com'), from));
    assert.equal(presented.length, step === 'collect' ? 0 : 1, `resumed before ${step}`);
  }
});

test('a clean-up that fails is logged and does not hold up the certificate', async () => {
  await using setting = await scene();
  setting.solver = {
    present: async () => undefined,
    cleanUp: async () => {
      throw new Error('the terminator is gone');
    },
  };
  issued(await drive(setting.create(), setting.request(), setting));
});

test('tokens that would leave their path are refused', async () => {
  await using setting = await scene();
  const origin = new URL(setting.ca.directoryUrl).origin;
  const challenge = {
    type: 'http-01',
    url: `${origin}/challenge/0`,
    token: '../../etc/passwd/long',
    status: 'pending',
  };
  const identifier = { type: 'dns', value: 'shop.example.com' };
  setting.ca.always('authorization', { body: { status: 'pending', identifier, challenges: [challenge] } });
  const end = failed(await drive(setting.create(), setting.request('shop.example.com'), setting));
  assert.equal(end.error.code, 'issuer.response-invalid');
  assert.equal(setting.presented.size, 0);
});

test('an order of another account is not gone on with', async () => {
  await using setting = await scene();
  const state = await stateAt(setting, 'finalize');
  const from = { ...state, data: { ...state.data, accountUrl: 'https://localhost/account/other' } };
  const { error, scope } = failed(await drive(setting.create(), setting.request(), { ...setting, from }));
  assert.equal(error.code, 'acme.order-invalid');
  assert.equal(scope, 'certificate');
});

test('a saved state that cannot be read fails the order instead of guessing', async () => {
  await using setting = await scene();
  for (const from of [
    { step: 'no such step', data: {} },
    { step: 'finalize', data: { order: 'half' } },
    { step: 'collect', data: {} },
  ]) {
    const { error, nothingIssued } = failed(await drive(setting.create(), setting.request(), { ...setting, from }));
    assert.equal(error.code, 'acme.order-invalid');
    assert.equal(nothingIssued, false, 'nobody can say what it had come to');
  }
});
