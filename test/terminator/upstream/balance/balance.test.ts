import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Balance } from '../../../../src/core/backend.ts';
import { Balancer, type Choice, type HashInput } from '../../../../src/terminator/upstream/balance/balance.ts';
import { hashText } from '../../../../src/terminator/upstream/balance/hash.ts';
import { client } from '../support/backends.ts';

interface One extends Choice {
  readonly name: string;
  share: number;
  active: number;
}

function choices(...shares: readonly number[]): One[] {
  return shares.map((share, i) => ({
    name: `10.0.0.${i}:80`,
    share,
    active: 0,
    seed: hashText(`10.0.0.${i}:80`),
    credit: 0,
  }));
}

const shares = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
const anyInput: HashInput = { connection: client };

test('round robin keeps the shares exactly in each round, and starts no streak of a heavy endpoint', () => {
  fc.assert(
    fc.property(shares, (weights) => {
      const all = choices(...weights);
      const balancer = new Balancer({ kind: 'round-robin' });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let round = 0; round < 3; round += 1) {
        const counts = new Map<One, number>();
        for (let i = 0; i < total; i += 1) {
          const picked = balancer.pick(all, anyInput, undefined) as One;
          counts.set(picked, (counts.get(picked) ?? 0) + 1);
        }
        for (const one of all) assert.equal(counts.get(one), one.share);
      }
    }),
  );
  const [heavy, light] = choices(2, 2) as [One, One];
  const balancer = new Balancer({ kind: 'round-robin' });
  const row = Array.from({ length: 6 }, () => balancer.pick([heavy, light], anyInput, undefined));
  assert.deepEqual(row, [heavy, light, heavy, light, heavy, light]);
});

test('least connections picks one with the fewest requests for its share, and takes turns among equals', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ share: fc.integer({ min: 1, max: 9 }), active: fc.nat(20) }), {
        minLength: 1,
        maxLength: 8,
      }),
      (states) => {
        const all = choices(...states.map(({ share }) => share));
        for (const [i, one] of all.entries()) one.active = states[i]?.active ?? 0;
        const picked = new Balancer({ kind: 'least-connections' }).pick(all, anyInput, undefined) as One;
        const load = (one: One): number => (one.active + 1) / one.share;
        assert.equal(load(picked), Math.min(...all.map(load)));
      },
    ),
  );
  const all = choices(1, 1, 1);
  const balancer = new Balancer({ kind: 'least-connections' });
  const picked = new Set(Array.from({ length: 3 }, () => balancer.pick(all, anyInput, undefined)));
  assert.equal(picked.size, 3);
});

const byAddress: Balance = { kind: 'hash', key: 'client-address' };

function addressed(i: number): HashInput {
  return { connection: { ...client, address: `198.51.${i >> 8}.${i & 255}` } };
}

test('a hash sends a key to one endpoint always, and keys to endpoints by their shares', () => {
  const all = choices(1, 2, 4, 1);
  const balancer = new Balancer(byAddress);
  const counts = new Map<string, number>();
  const keys = 8_000;
  for (let i = 0; i < keys; i += 1) {
    const { name } = balancer.pick(all, addressed(i), undefined) as One;
    assert.equal(balancer.pick(all.toReversed(), addressed(i), undefined)?.name, name);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const { name, share } of all) {
    const part = (counts.get(name) ?? 0) / keys;
    assert.ok(Math.abs(part - share / 8) < 0.03, `${name}: ${part}`);
  }
});

test('when an endpoint goes, only its keys move; when it comes back, they come back', () => {
  fc.assert(
    fc.property(
      shares.filter((all) => all.length > 1),
      fc.nat(),
      fc.array(fc.nat(60_000), { maxLength: 40 }),
      (weights, gone, keys) => {
        const all = choices(...weights);
        const left = all.toSpliced(gone % all.length, 1);
        const balancer = new Balancer(byAddress);
        for (const key of keys) {
          const before = balancer.pick(all, addressed(key), undefined) as One;
          const after = balancer.pick(left, addressed(key), undefined) as One;
          if (left.includes(before)) assert.equal(after, before);
          assert.equal(
            balancer.pick(all, addressed(key), [before]),
            balancer.pick(
              all.filter((one) => one !== before),
              addressed(key),
              undefined,
            ),
          );
        }
      },
    ),
  );
});

test('a share that grows draws keys to it and moves none between others', () => {
  const all = choices(1, 1, 1);
  const balancer = new Balancer(byAddress);
  const before = Array.from({ length: 500 }, (_, i) => balancer.pick(all, addressed(i), undefined));
  (all[2] as One).share = 3;
  const after = before.map((_, i) => balancer.pick(all, addressed(i), undefined));
  assert.ok(after.filter((one) => one === all[2]).length > before.filter((one) => one === all[2]).length);
  for (const [i, one] of after.entries()) if (one !== all[2]) assert.equal(one, before[i]);
});

test('the hash key is the path without its query, a header or a cookie; without one requests go round', () => {
  const all = choices(1, 1, 1, 1, 1);
  const pick = (balance: Balance, input: Partial<HashInput>): One | undefined =>
    new Balancer(balance).pick(all, { connection: client, target: '/', headers: [], ...input }, undefined);
  const path: Balance = { kind: 'hash', key: 'path' };
  assert.equal(pick(path, { target: '/a?x=1' }), pick(path, { target: '/a?x=2' }));
  const header: Balance = { kind: 'hash', key: 'header', name: 'X-User' };
  assert.equal(pick(header, { headers: ['x-user', 'a'] }), pick(header, { headers: ['b', 'c', 'X-USER', 'a'] }));
  const cookie: Balance = { kind: 'hash', key: 'cookie', name: 'sid' };
  assert.equal(
    pick(cookie, { headers: ['cookie', 'a=b; sid=7'] }),
    pick(cookie, { headers: ['Cookie', 'sid=7; x=sid'] }),
  );
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  assert.ok(new Set(names.map((name) => pick(header, { headers: ['x-user', name] }))).size > 2);
  const balancer = new Balancer(header);
  const round = Array.from({ length: 5 }, () => balancer.pick(all, { connection: client, headers: [] }, undefined));
  assert.equal(new Set(round).size, 5);
});

test('what was tried is not picked again, and when all were tried nothing is', () => {
  const kinds: Balance[] = [{ kind: 'round-robin' }, { kind: 'least-connections' }, byAddress];
  for (const kind of kinds) {
    const all = choices(1, 5, 1);
    const tried: One[] = [];
    for (let i = 0; i < 3; i += 1) {
      const picked = new Balancer(kind).pick(all, anyInput, tried.length === 0 ? undefined : tried) as One;
      assert.ok(!tried.includes(picked));
      tried.push(picked);
    }
    assert.equal(new Balancer(kind).pick(all, anyInput, tried), undefined);
    assert.equal(new Balancer(kind).pick([], anyInput, undefined), undefined);
  }
});
