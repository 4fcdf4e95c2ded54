import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import test from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { completionSteps } from '../../src/state/steps.ts';
import { stepLimitMs } from '../../src/schedule/issuance.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { ScriptedCa, ScriptedIssuer } from '../support/scripted-issuer.ts';
import { temporaryStore } from '../store/opening.ts';
import { until } from '../support/until.ts';
import { day, hour, minute, plant, Plant, signal, spec, type PlantOptions } from './support/plant.ts';

interface One {
  readonly clock: ManualClock;
  readonly ca: ScriptedCa;
  readonly store: MemoryStore;
}

function make(lifetime = 90 * day): One {
  const clock = new ManualClock();
  return { clock, ca: new ScriptedCa(clock, lifetime), store: new MemoryStore() };
}

async function run({ clock, ca, store }: One, options: Partial<PlantOptions> = {}): Promise<Plant> {
  return await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)], ...options });
}

/** With a real store writes take real time, so a test waits for the outcome. */
const idle = (one: Plant, id: string): boolean => {
  const { current, order } = one.registry.entry(id) ?? {};
  return current !== undefined && order === undefined && one.scheduler.stats().inFlight === 0;
};

const codeOf = (one: Plant, id: string): string | undefined => one.scheduler.decision(id)?.reason.code;

test('a failed attempt goes to the next issuer in order of preference, and back to the first with the next renewal', async () => {
  const one = make();
  const other = new ScriptedCa(one.clock, 90 * day);
  const issuers = [new ScriptedIssuer('ca', one.ca), new ScriptedIssuer('other', other)];
  await using now = await run(one, { issuers });
  one.ca.script = () => ({ fail: 'acme.order-invalid', retryAt: one.clock.now() + 9 * day });
  await now.apply(spec('file/a', { issuers: ['ca', 'other'] }));
  await one.clock.advance(minute);
  assert.equal(other.issued.length, 1);
  assert.equal(one.ca.newOrders.length, 0);
  assert.equal(now.registry.entry('file/a')?.current?.issuerName, 'other');
  one.ca.script = () => undefined;
  await one.clock.advance(60 * day);
  assert.equal(now.registry.entry('file/a')?.current?.issuerName, 'ca');
});

test("never (§5.5): a CA's Retry-After is honoured, over restarts, and holds up nobody else", async () => {
  const one = make();
  const other = new ScriptedCa(one.clock, 90 * day);
  const issuers = [new ScriptedIssuer('ca', one.ca), new ScriptedIssuer('other', other)];
  let now = await run(one, { issuers });
  const until = one.clock.now() + 5 * hour;
  one.ca.script = () => ({ fail: 'acme.rate-limited', scope: 'issuer', retryAt: until });
  await now.apply(spec('file/a'), spec('file/b'), spec('file/c', { issuers: ['other'] }));
  await one.clock.advance(minute);
  assert.equal(other.issued.length, 1);
  const calls = one.ca.calls.length;
  now = await now.restart();
  await one.clock.advance(until - one.clock.now() - 1);
  assert.equal(one.ca.calls.length, calls, 'nobody asks before');
  assert.ok(['issuer-blocked', 'retry-waiting'].includes(codeOf(now, 'file/b') ?? ''));
  one.ca.script = () => undefined;
  await one.clock.advance(2 * minute);
  assert.equal(one.ca.issued.length, 2);
  await now[Symbol.asyncDispose]();
});

test('never (§5.6): an issuer that hangs, or a name that fails, delays no healthy certificate', async () => {
  const one = make();
  const dead = new ScriptedCa(one.clock, day);
  dead.script = () => ({ hangs: true });
  one.ca.script = (_, { certificateId }) =>
    certificateId === 'file/bad' ? { fail: 'acme.challenge-failed' } : undefined;
  const issuers = [new ScriptedIssuer('ca', one.ca), new ScriptedIssuer('dead', dead)];
  await using now = await run(one, { issuers, concurrency: 4 });
  const hanging = Array.from({ length: 20 }, (_, i) => spec(`file/hangs-${i}`, { issuers: ['dead'] }));
  const healthy = Array.from({ length: 20 }, (_, i) => spec(`file/good-${i}`));
  await now.apply(...hanging, spec('file/bad'), ...healthy);
  await one.clock.advance(1);
  assert.equal(one.ca.issued.length, 20);
  assert.equal(dead.calls.length, 3, 'it may have three of four slots');
  assert.equal(codeOf(now, 'file/hangs-19'), 'slot-waiting');
  await one.clock.advance(stepLimitMs);
  assert.equal(now.registry.entry('file/hangs-0')?.record.lastFailure?.code, 'issuer.timeout');
  assert.equal(dead.calls.length, 6, 'the slots came back');
});

test('an order that waits holds no slot', async () => {
  const one = make();
  const waited = new Set<string>();
  one.ca.script = (step, { certificateId }) => {
    if (step !== 'validate' || waited.has(certificateId)) return undefined;
    waited.add(certificateId);
    return { waitMs: hour };
  };
  await using now = await run(one, { concurrency: 1 });
  await now.apply(...Array.from({ length: 10 }, (_, i) => spec(`file/c${i}`)));
  await one.clock.advance(1);
  assert.equal(one.ca.newOrders.length, 10);
  assert.equal(one.ca.mostInFlight, 1);
  assert.equal(now.scheduler.stats().inFlight, 0);
  await one.clock.advance(hour);
  assert.equal(one.ca.issued.length, 10);
});

test('at most so many issuances at once; what expires first goes first, and what has begun before that', async () => {
  const one = make();
  const now = await run(one, { concurrency: 1 });
  const lifetimes = { 'file/long': 300 * day, 'file/short': 30 * day, 'file/mid': 100 * day };
  await now.apply(...Object.entries(lifetimes).map(([id, lifetimeMs]) => spec(id, { lifetimeMs })));
  await one.clock.advance(1);
  await now[Symbol.asyncDispose]();
  await one.clock.jumpTo(one.clock.now() + 400 * day);
  one.ca.calls.length = 0;
  const { promise: gate, resolve } = Promise.withResolvers<void>();
  one.ca.script = () => ({ after: gate });
  await using again = await run(one, { concurrency: 1 });
  await settle();
  await again.apply(spec('file/new'), ...Object.entries(lifetimes).map(([id, lifetimeMs]) => spec(id, { lifetimeMs })));
  await settle();
  assert.equal(codeOf(again, 'file/new'), 'slot-waiting');
  resolve();
  await one.clock.advance(1);
  const orders = one.ca.calls.filter(({ step }) => step === 'order').map(({ certificateId }) => certificateId);
  assert.deepEqual(orders, ['file/short', 'file/mid', 'file/long', 'file/new']);
});

test('never (§5.4): a killed process resumes its order at every step, with one new order and one certificate', async () => {
  const steps = ['order', 'key', 'validate', 'finalize', 'download', ...completionSteps];
  for (const step of steps) {
    await using opened = await temporaryStore();
    const { store } = opened;
    const one = make();
    const first = await run(one, { store });
    const seen: string[] = [];
    const stop = (message: unknown): void => {
      seen.push((message as { step: string }).step);
      if (seen.at(-1) === step) void first.kill();
    };
    const steps = channel('certplane:order:step');
    steps.subscribe(stop);
    try {
      await first.apply(spec('file/a'));
      await until(() => seen.includes(step), { what: step });
      await first.kill();
    } finally {
      steps.unsubscribe(stop);
    }
    assert.ok(seen.includes(step), `${step} was never announced: ${seen.join(', ')}`);
    await using second = await run(one, { store });
    await until(() => idle(second, 'file/a'), { what: `the order killed at ${step} to be resumed` });
    assert.equal(second.registry.entry('file/a')?.current?.id, 'file/a#1', `killed at ${step}`);
    assert.equal(one.ca.newOrders.length, 1, `killed at ${step}`);
    assert.equal(one.ca.issued.length, 1, `killed at ${step}`);
    assert.equal(second.registry.entry('file/a')?.order, undefined);
    assert.deepEqual(one.ca.violations, []);
    assert.equal(one.ca.presented.size, 0);
  }
});

test('a step is announced when its state is durable, in the same turn', async () => {
  const one = make();
  await using now = await run(one);
  const wrong: string[] = [];
  const look = (message: unknown): void => {
    const { certificateId, step } = message as { certificateId: string; step: string };
    const order = now.registry.entry(certificateId)?.order;
    if (!completionSteps.includes(step as 'stored') && order?.step !== step) wrong.push(step);
  };
  const steps = channel('certplane:order:step');
  steps.subscribe(look);
  try {
    await now.apply(spec('file/a'));
    await settle();
  } finally {
    steps.unsubscribe(look);
  }
  assert.deepEqual(wrong, []);
  assert.equal(one.ca.issued.length, 1);
});

test('a spec that changes, or a removal, gives up the order in flight and cleans up after it', async () => {
  for (const change of ['names', 'removal'] as const) {
    const one = make();
    await using now = await run(one);
    one.ca.script = (step) => (step === 'finalize' ? { hangs: true } : undefined);
    await now.apply(spec('file/a'), spec('file/b'));
    await settle();
    assert.deepEqual([...one.ca.presented].toSorted(), ['file/a', 'file/b']);
    one.ca.script = () => undefined;
    if (change === 'names') await now.apply(spec('file/a', { dnsNames: ['new.example.com'] }), spec('file/b'));
    else await now.apply(spec('file/b'));
    await settle();
    assert.ok(!one.ca.presented.has('file/a'));
    const entry = now.registry.entry('file/a');
    assert.equal(entry?.order, undefined);
    assert.deepEqual(entry?.current?.names, change === 'names' ? ['new.example.com'] : undefined);
    assert.equal(entry?.record.failures, 0, 'giving up is no failure');
    assert.deepEqual(one.ca.violations, []);
  }
});

test('an order that was given up is cleaned up after a kill', async () => {
  const one = make();
  const first = await run(one);
  one.ca.script = (step) => (step === 'finalize' ? { fail: 'acme.order-invalid' } : undefined);
  one.store.beforeWrite = (operation, kind) => {
    if (operation === 'delete' && kind === 'order') throw new Error('killed');
  };
  await first.apply(spec('file/a'));
  await settle();
  await first.kill();
  one.store.beforeWrite = undefined;
  one.ca.presented.add('file/a');
  await using second = await run(one);
  await settle();
  assert.equal(one.ca.presented.size, 0);
  assert.equal(second.registry.entry('file/a')?.order, undefined);
  assert.equal(second.registry.entry('file/a')?.record.failures, 1);
});

test('never (§5.8): a mass re-issue for changed specs is held and says so; what is due or asked for passes', async () => {
  const one = make();
  await using now = await run(one);
  const ids = Array.from({ length: 40 }, (_, i) => `file/c${i}`);
  const keyed = (size: 256 | 384) => ids.map((id) => spec(id, { key: { algorithm: 'ecdsa', size } }));
  await now.apply(...keyed(256));
  await one.clock.advance(day);
  assert.equal(one.ca.issued.length, 40);
  await now.apply(...keyed(384));
  await settle();
  assert.equal(one.ca.issued.length, 40);
  assert.equal(codeOf(now, 'file/c7'), 'brake-held');
  assert.equal(now.scheduler.problems()[0]?.code, 'brake-held');
  await now.registry.requestRenewal('file/c7', 'cli', signal);
  await settle();
  assert.equal(one.ca.issued.length, 41);

  const again = await now.restart();
  await settle();
  assert.equal(one.ca.issued.length, 41, 'it holds over a restart');
  await again.scheduler.acceptReissue(signal);
  await settle();
  assert.ok(one.ca.issued.length >= 80, 'accepted, it goes on');
  assert.deepEqual(again.scheduler.problems(), []);
  await again[Symbol.asyncDispose]();
});

test('a few changed specs are re-issued at once, and what is held takes the change when it is due', async () => {
  const one = make();
  await using now = await run(one);
  const ids = Array.from({ length: 12 }, (_, i) => `file/c${i}`);
  const names = (count: number) => ids.map((id, i) => spec(id, i < count ? { dnsNames: [`new${i}.example.com`] } : {}));
  await now.apply(...names(0));
  await one.clock.advance(day);
  await now.apply(...names(10));
  await settle();
  assert.equal(one.ca.issued.length, 22);
  await now.apply(...ids.map((id) => spec(id, { dnsNames: [`again.${id.slice(5)}.example.com`] })));
  await settle();
  assert.equal(one.ca.issued.length, 22);
  await one.clock.advance(60 * day);
  assert.equal(one.ca.issued.length, 34);
  assert.deepEqual(now.scheduler.problems(), []);
});

test('never (§5.5): the rate budget is kept, and what waits for it says until when', async () => {
  const one = make();
  const limits = new Map([['ca', { orders: { amount: 3, perMs: 3 * hour } }]]);
  await using now = await run(one, { limits });
  await now.apply(...Array.from({ length: 5 }, (_, i) => spec(`file/c${i}`)));
  await settle();
  assert.equal(one.ca.newOrders.length, 3);
  const waiting = ['file/c3', 'file/c4'].map((id) => now.scheduler.decision(id));
  for (const decision of waiting) {
    assert.equal(decision?.reason.code, 'rate-budget');
    assert.equal(decision?.at, one.clock.now() + hour);
  }
  await one.clock.advance(2 * hour);
  assert.equal(one.ca.newOrders.length, 5);
});

test('a disk that is full begins nothing, loses nothing that was issued, and says so', async () => {
  const one = make();
  let full = true;
  one.store.beforeWrite = (_, kind) => {
    if (full && kind === 'order') throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  };
  await using now = await run(one);
  await now.apply(spec('file/a'));
  await one.clock.advance(minute);
  assert.equal(one.ca.calls.length, 0);
  assert.match(now.scheduler.decision('file/a')?.reason.message ?? '', /ENOSPC/);
  full = false;
  one.store.beforeWrite = (_, kind) => {
    if (full && kind === 'version') throw new Error('ENOSPC');
  };
  one.ca.script = (step) => {
    if (step === 'download') full = true;
    return undefined;
  };
  await one.clock.advance(2 * minute);
  assert.equal(one.ca.issued.length, 1);
  assert.equal(now.registry.entry('file/a')?.current, undefined);
  const downloads = one.ca.calls.filter(({ step }) => step === 'download').length;
  one.ca.script = () => undefined;
  full = false;
  await one.clock.advance(2 * minute);
  assert.equal(now.registry.entry('file/a')?.current?.number, 1);
  assert.equal(one.ca.calls.filter(({ step }) => step === 'download').length, downloads, 'it was not asked for again');
});

test('never (§5.10): stopping aborts what is in flight, awaits it and forgets nothing', async () => {
  const one = make();
  const now = await run(one);
  one.ca.script = (step) => (step === 'finalize' ? { hangs: true } : undefined);
  await now.apply(spec('file/a'));
  await settle();
  assert.equal(now.scheduler.stats().inFlight, 1);
  await Promise.all([now.scheduler[Symbol.asyncDispose](), now.scheduler[Symbol.asyncDispose]()]);
  assert.deepEqual(one.clock.pending, []);
  const { order, record } = now.registry.entry('file/a') ?? {};
  assert.equal(order?.step, 'finalize');
  assert.equal(record?.failures, 0, 'stopping is no failure');
  const puts = one.store.puts.get('order');
  await one.clock.advance(day);
  assert.equal(one.store.puts.get('order'), puts);
});

test('the signal given to start ends it as well', async () => {
  const one = make();
  const now = new Plant({ clock: one.clock, store: one.store, issuers: [new ScriptedIssuer('ca', one.ca)] });
  await now.feed.load(signal);
  await now.registry.load(signal);
  const stop = new AbortController();
  await now.scheduler.start(stop.signal);
  await settle();
  stop.abort();
  await settle();
  assert.deepEqual(one.clock.pending, []);
  await now.apply(spec('file/a'));
  await settle();
  assert.equal(one.ca.calls.length, 0);
  await now.scheduler[Symbol.asyncDispose]();
});

test('issuers that are replaced take effect at once; orders of one that is gone are given up', async () => {
  const one = make();
  await using now = await run(one);
  one.ca.script = (step) => (step === 'validate' ? { hangs: true } : undefined);
  await now.apply(spec('file/a', { issuers: ['ca', 'later'] }), spec('file/b', { issuers: ['later'] }));
  await settle();
  assert.equal(codeOf(now, 'file/b'), 'issuer.unknown');
  const later = new ScriptedCa(one.clock, day);
  now.scheduler.setIssuers(new Map([['later', new ScriptedIssuer('later', later)]]));
  await settle();
  assert.equal(now.registry.entry('file/b')?.current?.issuerName, 'later');
  await one.clock.advance(hour);
  assert.equal(now.registry.entry('file/a')?.current?.issuerName, 'later');
  assert.deepEqual([...one.ca.violations, ...later.violations], []);
});

test('an issuer that answers with rubbish is a failure with its code, and the certificate in use stays', async () => {
  const one = make();
  await using now = await run(one);
  await now.apply(spec('file/a'));
  await settle();
  one.ca.lifetimeMs = -day;
  await now.registry.requestRenewal('file/a', 'cli', signal);
  await settle();
  const entry = now.registry.entry('file/a');
  assert.equal(entry?.record.lastFailure?.code, 'certificate.expired');
  assert.equal(entry.current?.number, 1);
  one.ca.lifetimeMs = 90 * day;
  one.ca.script = () => ({ throws: new TypeError('x is not a function') });
  await one.clock.advance(hour);
  assert.equal(now.registry.entry('file/a')?.record.lastFailure?.code, 'internal.unexpected');
});

test('never (§5.11): a clock that was set back wakes what was planned by the wrong time', async () => {
  const one = make();
  await using now = await run(one);
  one.ca.script = () => ({ fail: 'issuer.unreachable', scope: 'issuer', retryAt: one.clock.now() + 5 * hour });
  const right = one.clock.now();
  await one.clock.jumpTo(right + 3650 * day);
  await now.apply(spec('file/a'));
  await settle();
  assert.equal(now.registry.entry('file/a')?.record.failures, 1);
  one.ca.script = () => undefined;
  await one.clock.jumpTo(right);
  now.scheduler.lookAgain();
  await settle();
  assert.equal(now.registry.entry('file/a')?.current, undefined, 'the CA asked for a pause, which is kept');
  await one.clock.advance(5 * hour);
  assert.equal(now.registry.entry('file/a')?.current?.number, 1);
});

test('a version that becomes valid later comes into use at that time', async () => {
  const one = make();
  await using now = await run(one);
  await now.apply(spec('file/a'));
  await settle();
  const ahead = new ManualClock(one.clock.now() + hour);
  const fast = new ScriptedCa(ahead, 200 * day);
  now.scheduler.setIssuers(new Map([['ca', new ScriptedIssuer('ca', fast)]]));
  await now.registry.requestRenewal('file/a', 'cli', signal);
  await settle();
  assert.equal(now.registry.entry('file/a')?.current?.number, 1);
  assert.equal(codeOf(now, 'file/a'), 'certificate.not-yet-valid');
  await one.clock.advance(hour);
  assert.equal(now.registry.entry('file/a')?.current?.number, 2);
  assert.equal(fast.issued.length, 1);
});

test('an unknown certificate has no decision, and asking to renew it is an error', async () => {
  const one = make();
  await using now = await run(one);
  assert.equal(now.scheduler.decision('file/none'), undefined);
  await assert.rejects(now.registry.requestRenewal('file/none', 'x', signal), (e) =>
    hasCode(e, 'certificate.not-found'),
  );
});
