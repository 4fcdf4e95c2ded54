import assert from 'node:assert/strict';
import test from 'node:test';
import { createBudget, type Budget } from '../../src/schedule/budget.ts';
import { letsEncryptLimits, limitsFor, type Ask, type IssuerLimits } from '../../src/schedule/limits.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { day, hour, minute, signal } from './support/plant.ts';

function ask(names: string[], more: Partial<Ask> = {}): Ask {
  return { issuer: 'le', certificateId: 'file/a', names, sameNames: false, ...more };
}

function make(limits: IssuerLimits = letsEncryptLimits): { store: MemoryStore; clock: ManualClock; budget: Budget } {
  const store = new MemoryStore();
  const clock = new ManualClock();
  return { store, clock, budget: createBudget({ store, clock, limits: new Map([['le', limits]]) }) };
}

async function spendAll(budget: Budget, count: number, one: (i: number) => Ask): Promise<void> {
  for (let i = 0; i < count; i += 1) assert.equal(await budget.spend(one(i), signal), undefined, `order ${i + 1}`);
}

test("never (§5.5): Let's Encrypt's limits are kept before the request, each with the time it gives way", async () => {
  const { clock, budget } = make();
  await spendAll(budget, 5, () => ask(['shop.example.com']));
  const set = await budget.spend(ask(['shop.example.com']), signal);
  assert.equal(set?.code, 'rate-budget');
  assert.equal(set.at, clock.now() + Math.ceil((7 * day) / 5));
  await spendAll(budget, 45, (i) => ask([`h${i}.example.com`]));
  const domain = await budget.spend(ask(['more.example.com']), signal);
  assert.match(domain?.message ?? '', /certificates for example\.com/);
  assert.equal(domain?.at, clock.now() + Math.ceil((7 * day) / 50));
  await spendAll(budget, 250, (i) => ask([`www.other${i}.org`]));
  const orders = await budget.spend(ask(['www.fresh.net']), signal);
  assert.equal(orders?.at, clock.now() + 36_000);
  await clock.jumpTo(clock.now() + 36_000);
  assert.equal(await budget.spend(ask(['www.fresh.net']), signal), undefined);
});

test('the registered domain is that of the public suffix list; a renewal of the same names counts towards none', async () => {
  const { budget } = make({ perRegisteredDomain: { amount: 1, perMs: hour } });
  await spendAll(budget, 1, () => ask(['a.shop.co.uk', '*.shop.co.uk']));
  assert.notEqual(budget.check(ask(['b.shop.co.uk'])), undefined);
  assert.equal(budget.check(ask(['b.other.co.uk'])), undefined);
  assert.equal(budget.check(ask(['a.shop.co.uk'], { sameNames: true })), undefined);
});

test('never (§5.4): a restart forgets neither what was spent nor a Retry-After', async () => {
  const { store, clock, budget } = make();
  await spendAll(budget, 5, () => ask(['shop.example.com']));
  await budget.block('le', clock.now() + 3 * hour, signal, 'file/b');
  const again = createBudget({ store, clock, limits: new Map([['le', letsEncryptLimits]]) });
  await again.load(signal);
  assert.equal(again.check(ask(['shop.example.com']))?.code, 'rate-budget');
  assert.equal(again.check(ask(['b.example.com'], { certificateId: 'file/b' }))?.at, clock.now() + 3 * hour);
  assert.equal(again.check(ask(['b.example.com'])), undefined, 'it blocks one certificate only');
  await again.block('le', clock.now() + minute, signal);
  assert.equal(again.check(ask(['c.example.com']))?.code, 'issuer-blocked');
  assert.equal(again.blockedUntil('le'), clock.now() + minute);
  assert.equal(again.check(ask(['c.example.com'], { issuer: 'other' })), undefined);
  await again.block('le', clock.now() + 1, signal);
  assert.equal(again.blockedUntil('le'), clock.now() + minute, 'a shorter pause does not end a longer one');
});

test('five failed validations of a name in an hour are the most, for that name', async () => {
  const { clock, budget } = make();
  for (let i = 0; i < 5; i += 1) await budget.noteFailedNames('le', ['bad.example.com'], signal);
  assert.match(budget.check(ask(['good.example.com', 'bad.example.com']))?.message ?? '', /failed validations/);
  assert.equal(budget.check(ask(['good.example.com'])), undefined);
  await clock.jumpTo(clock.now() + hour / 5);
  assert.equal(budget.check(ask(['bad.example.com'])), undefined);
});

test('never (§5.5): nothing is spent that cannot be kept', async () => {
  const { store, budget } = make();
  store.beforeWrite = () => {
    throw new Error('disk full');
  };
  await assert.rejects(budget.spend(ask(['a.example.com']), signal), /disk full/);
  store.beforeWrite = undefined;
  await spendAll(budget, 5, () => ask(['a.example.com']));
});

test('an order without a certificate gives back what counts certificates, never more than there was, and no order', async () => {
  const { store, clock, budget } = make();
  await budget.refund(ask(['shop.example.com']), 'certificate', signal);
  await spendAll(budget, 5, () => ask(['shop.example.com']));
  await budget.refund(ask(['shop.example.com']), 'certificate', signal);
  const again = createBudget({ store, clock, limits: new Map([['le', letsEncryptLimits]]) });
  await again.load(signal);
  await spendAll(again, 1, () => ask(['shop.example.com']));
  assert.match((await again.spend(ask(['shop.example.com']), signal))?.message ?? '', /for the same names/);
  await spendAll(again, 45, (i) => ask([`h${i}.example.com`]));
  assert.match((await again.spend(ask(['more.example.com']), signal))?.message ?? '', /for example\.com/);
  await spendAll(again, 249, (i) => ask([`www.other${i}.org`]));
  assert.match((await again.spend(ask(['www.fresh.net']), signal))?.message ?? '', /new orders/);
});

test('asked for side by side, no more is given than there is', async () => {
  const { budget } = make({ orders: { amount: 3, perMs: hour } });
  const answers = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => await budget.spend(ask([`h${i}.org`]), signal)),
  );
  assert.equal(answers.filter((answer) => answer === undefined).length, 3);
});

test('never (§5.11): a clock that was ahead neither forgets a Retry-After nor a spent budget, nor makes them longer', async () => {
  for (const ahead of [2 * minute, 3650 * day]) {
    const { clock, store, budget } = make({ orders: { amount: 1, perMs: hour } });
    const right = clock.now();
    await clock.jumpTo(right + ahead);
    await budget.block('le', clock.now() + hour, signal, 'file/b');
    await budget.spend(ask(['a.org']), signal);
    await clock.jumpTo(right);
    const other = ask(['b.org'], { certificateId: 'file/b' });
    assert.equal(budget.check(other)?.at, right + hour, 'as long as the CA said, from when the clock was set');
    assert.equal(budget.check(ask(['c.org']))?.at, right + hour);
    await clock.jumpTo(right + hour / 2);
    assert.equal(budget.check(other)?.at, right + hour, 'and no longer when it is looked at again');
    assert.equal(budget.check(ask(['c.org']))?.at, right + hour);
    const again = createBudget({ store, clock, limits: new Map() });
    await again.load(signal);
    const until = again.check(other)?.at ?? 0;
    assert.ok(until > clock.now() && until <= clock.now() + hour, 'over a restart too');
    await clock.jumpTo(until);
    assert.equal(again.check(other), undefined);
    assert.equal(budget.check(ask(['c.org'])), undefined);
  }
});

test('buckets that are full again are forgotten, others are not', async () => {
  const { store, clock, budget } = make();
  await budget.spend(ask(['a.example.com']), signal);
  await clock.jumpTo(clock.now() + 5 * day);
  await budget.spend(ask(['b.example.org']), signal);
  await budget.block('le', clock.now() + 100 * day, signal, 'file/b');
  await clock.jumpTo(clock.now() + 4 * day);
  assert.equal(await budget.prune(signal), 2, 'the set and the domain of a.example.com');
  assert.equal((await store.list('budget')).items.length, 4);
});

test("limits are Let's Encrypt's for Let's Encrypt; an unknown CA and an issuer without any are limited by nothing", async () => {
  assert.equal(limitsFor('https://acme-v02.api.letsencrypt.org/directory'), letsEncryptLimits);
  const unknown = make(limitsFor('https://acme.example.com/directory'));
  await spendAll(unknown.budget, 1000, () => ask(['a.example.com']));
  await unknown.budget.block('le', unknown.clock.now() + minute, signal);
  assert.equal(unknown.budget.check(ask(['a.example.com']))?.code, 'issuer-blocked', 'but by its Retry-After');
  const { budget } = make();
  for (let i = 0; i < 1000; i += 1) assert.equal(budget.check(ask(['a.org'], { issuer: 'local' })), undefined);
});
