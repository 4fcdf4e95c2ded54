import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { planRenewal } from '../../src/core/renewal.ts';
import { readChain } from '../../src/core/bundle.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { ScriptedCa, ScriptedIssuer, type Issued, type Mishap } from '../support/scripted-issuer.ts';
import { minute, plant, signal, spec, type Plant } from './support/plant.ts';

const lifetime = 15 * minute;
const ids = ['file/a', 'file/b', 'file/c'] as const;

type Move =
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'jump'; readonly ms: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'kill' }
  | { readonly kind: 'renew'; readonly id: string }
  | { readonly kind: 'change'; readonly id: string }
  | { readonly kind: 'remove'; readonly id: string }
  | { readonly kind: 'disk'; readonly full: boolean }
  | { readonly kind: 'mishap'; readonly step: string; readonly mishap: Mishap | undefined };

const id = fc.constantFrom(...ids);
const mishap: fc.Arbitrary<Mishap | undefined> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(undefined) },
  fc.constant<Mishap>({ fail: 'issuer.unreachable', scope: 'issuer' }),
  fc.constant<Mishap>({ fail: 'acme.challenge-failed' }),
  fc.integer({ min: 1_000, max: 3 * minute }).map((waitMs) => ({ waitMs })),
  fc.constant<Mishap>({ throws: new Error('a bug') }),
  fc.constant<Mishap>({ hangs: true }),
);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 6 * minute }) }),
  },
  fc.record({ kind: fc.constant('jump' as const), ms: fc.integer({ min: 1_000, max: 20 * minute }) }),
  fc.constant({ kind: 'restart' as const }),
  fc.constant({ kind: 'kill' as const }),
  fc.record({ kind: fc.constant('renew' as const), id }),
  fc.record({ kind: fc.constant('change' as const), id }),
  fc.record({ kind: fc.constant('remove' as const), id }),
  fc.record({ kind: fc.constant('disk' as const), full: fc.boolean() }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('mishap' as const),
      step: fc.constantFrom('order', 'key', 'validate', 'finalize', 'download'),
      mishap,
    }),
  },
);

test('never (§5.4, §5.10, §5.11): whatever happens, one order at a time, nothing issued twice, and all good in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 5, maxLength: 40 }), async (moves) => {
      const clock = new ManualClock();
      const ca = new ScriptedCa(clock, lifetime);
      const store = new MemoryStore();
      const wanted = new Map(ids.map((one) => [one as string, spec(one, { lifetimeMs: lifetime })]));
      const changedAt = new Map<string, number>();
      let full = false;
      store.beforeWrite = () => {
        if (full) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
      };
      const start = async (): Promise<Plant> =>
        await plant({ clock, store, issuers: [new ScriptedIssuer('ca', ca)], concurrency: 2 });
      let now = await start();
      const apply = async (): Promise<void> => await now.apply(...wanted.values());
      await apply();
      for (const one of moves) {
        switch (one.kind) {
          case 'advance':
            await clock.advance(one.ms);
            break;
          case 'jump':
            await clock.jumpTo(clock.now() + one.ms);
            break;
          case 'restart':
          case 'kill':
            if (one.kind === 'kill') await now.kill();
            full = false;
            await now[Symbol.asyncDispose]();
            now = await start();
            await apply();
            break;
          case 'renew':
            changedAt.set(one.id, clock.now());
            await now.registry.requestRenewal(one.id, 'test', signal).catch(() => undefined);
            break;
          case 'change': {
            const before = wanted.get(one.id) ?? spec(one.id, { lifetimeMs: lifetime });
            const more = before.dnsNames.length === 1 ? ['www.example.com'] : [];
            wanted.set(one.id, { ...before, dnsNames: [before.dnsNames[0] ?? '', ...more] });
            changedAt.set(one.id, clock.now());
            if (!full) await apply();
            break;
          }
          case 'remove':
            wanted.delete(one.id);
            if (!full) await apply();
            break;
          case 'disk':
            full = one.full;
            break;
          case 'mishap': {
            const { step, mishap } = one;
            ca.script = (at) => (at === step ? mishap : undefined);
          }
        }
      }
      // Everything works again; the ladder's longest step for such a lifetime is minutes.
      ca.script = () => undefined;
      full = false;
      await apply();
      await clock.advance(3 * lifetime);
      assert.deepEqual(ca.violations, []);
      assertJustified([...ca.delivered], changedAt);
      for (const one of wanted.keys()) {
        const entry = now.registry.entry(one);
        assert.ok(entry?.current !== undefined && entry.current.notAfter > clock.now(), `${one} is valid in the end`);
        assert.equal(entry.record.failures, 0);
      }
      assert.equal(ca.presented.size, 0, 'everything presented was cleaned up');
      await now[Symbol.asyncDispose]();
      assert.deepEqual(clock.pending, [], 'nothing waits after stop');
    }),
    { numRuns: 120 },
  );
});

/** Each certificate after the first had a reason: the one before was due or over, or something was asked for since. */
function assertJustified(issued: readonly Issued[], changedAt: ReadonlyMap<string, number>): void {
  const last = new Map<string, Issued>();
  for (const one of issued) {
    const before = last.get(one.certificateId);
    last.set(one.certificateId, one);
    if (before === undefined) continue;
    const { serial } = readChain(before.chainPem);
    const due = planRenewal(one.certificateId, { ...before, serial }).at;
    // A change may come long before the issuance it leads to, so only the latest one is compared.
    const asked = (changedAt.get(one.certificateId) ?? -1) >= before.at - lifetime;
    assert.ok(one.at >= due || asked, `${one.certificateId} was issued again without a reason`);
  }
}

test('never expired while its issuer is up for more than half of the time', async () => {
  const outage = fc.record({
    upMs: fc.integer({ min: minute, max: 5 * minute }),
    share: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(outage, { minLength: 3, maxLength: 12 }), async (outages) => {
      const clock = new ManualClock();
      const ca = new ScriptedCa(clock, lifetime);
      await using now = await plant({ clock, issuers: [new ScriptedIssuer('ca', ca)], concurrency: 1 });
      await now.apply(...ids.map((one) => spec(one)));
      await clock.advance(1);
      for (const { upMs, share } of outages) {
        ca.script = (step) => (step === 'order' ? { fail: 'issuer.unreachable', scope: 'issuer' } : undefined);
        await clock.advance(upMs * share);
        ca.script = () => undefined;
        await clock.advance(upMs);
        for (const { record, current } of now.registry.certificates()) {
          assert.ok(current !== undefined && current.notAfter > clock.now(), `${record.id} expired`);
        }
      }
    }),
    { numRuns: 40 },
  );
});
