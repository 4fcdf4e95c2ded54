import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { nameCovers } from '../../../src/core/names.ts';
import { CertificateTable, type TableEntry } from '../../../src/terminator/intake/table.ts';

const now = 1_000_000;

function entry(slot: string, names: readonly string[], overrides: Partial<TableEntry> = {}): TableEntry {
  return {
    slot,
    versionId: `${slot}#1`,
    certificateId: slot,
    names,
    notBefore: now - 1000,
    notAfter: now + 1000,
    serial: '01',
    fingerprint256: slot,
    chainComplete: true,
    source: 'feed',
    rank: 0,
    ...overrides,
  };
}

function tableOf(...entries: TableEntry[]): CertificateTable {
  const table = new CertificateTable();
  for (const one of entries) table.set(one);
  return table;
}

test('the exact name answers before the wildcard, and a wildcard for exactly one label', () => {
  const table = tableOf(entry('wide', ['*.a.test']), entry('exact', ['www.a.test']));
  assert.equal(table.resolve('www.a.test', now)?.slot, 'exact');
  assert.equal(table.resolve('api.a.test', now)?.slot, 'wide');
  assert.equal(table.resolve('x.y.a.test', now), undefined);
  assert.equal(table.resolve('a.test', now), undefined);
});

test('of several for one name: ours, then files, then Secrets, then the latest end', () => {
  const table = tableOf(entry('secret', ['a.test'], { rank: 2, notAfter: now + 9000 }));
  table.set(entry('file-1', ['a.test'], { rank: 1, notAfter: now + 5000 }));
  table.set(entry('file-2', ['a.test'], { rank: 1, notAfter: now + 6000 }));
  assert.equal(table.resolve('a.test', now)?.slot, 'file-2');
  table.set(entry('ours', ['a.test']));
  assert.equal(table.resolve('a.test', now)?.slot, 'ours');
  table.delete('ours');
  table.delete('file-2');
  table.delete('file-1');
  assert.equal(table.resolve('a.test', now)?.slot, 'secret');
});

test('never (§5.1): an expired certificate does not answer while a good one could', () => {
  const expired = { notAfter: now - 1 };
  const table = tableOf(entry('ours', ['www.a.test'], expired), entry('file', ['www.a.test'], { rank: 1 }));
  assert.equal(table.resolve('www.a.test', now)?.slot, 'file');
  table.delete('file');
  assert.equal(table.resolve('www.a.test', now)?.slot, 'ours', 'better than nothing');
  table.set(entry('wide', ['*.a.test']));
  assert.equal(table.resolve('www.a.test', now)?.slot, 'wide');
});

test('setting a slot tells every name that may have another answer now', () => {
  const table = tableOf(entry('one', ['a.test', 'b.test']));
  assert.deepEqual(table.set(entry('one', ['b.test', 'c.test'])).toSorted(), ['a.test', 'b.test', 'c.test']);
  assert.equal(table.resolve('a.test', now), undefined);
  assert.deepEqual(table.delete('one'), ['b.test', 'c.test']);
  assert.deepEqual(table.delete('one'), []);
  assert.equal(table.size, 0);
});

test('the next turn is when something begins or ceases to be valid', () => {
  const table = tableOf(entry('late', ['a.test'], { notBefore: now + 500 }), entry('now', ['b.test']));
  assert.deepEqual(table.nextTurn(now), { at: now + 500, names: ['a.test'] });
  assert.deepEqual(table.nextTurn(now + 500), { at: now + 1000, names: ['a.test', 'b.test'] });
  assert.equal(table.nextTurn(now + 1000), undefined);
});

test('whatever is put in and taken out, the answer covers the host and nothing valid is passed over for something that is not', () => {
  const name = fc.constantFrom('a.test', 'www.a.test', '*.a.test', 'x.www.a.test', '*.www.a.test', 'b.test');
  const change = fc.record({
    slot: fc.constantFrom('1', '2', '3', '4'),
    names: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    rank: fc.integer({ min: 0, max: 2 }),
    notAfter: fc.integer({ min: now - 3, max: now + 3 }),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
      const table = new CertificateTable();
      const present = new Map<string, TableEntry>();
      for (const { slot, names, remove, ...rest } of changes) {
        const one = entry(slot, names, rest);
        if (remove) table.delete(slot);
        else table.set(one);
        if (remove) present.delete(slot);
        else present.set(slot, one);
      }
      for (const host of ['a.test', 'www.a.test', 'x.www.a.test', 'y.a.test', 'b.test', 'c.test']) {
        const covering = [...present.values()].filter((one) => one.names.some((each) => nameCovers(each, host)));
        const answer = table.resolve(host, now);
        assert.equal(answer === undefined, covering.length === 0, host);
        if (answer === undefined) continue;
        assert.ok(covering.includes(answer));
        assert.equal(
          answer.notAfter > now,
          covering.some(({ notAfter }) => notAfter > now),
        );
      }
    }),
  );
});

test('a host that is bound is served by that certificate alone, whatever else covers it', () => {
  const table = tableOf(entry('feed one', ['www.a.test'], { certificateId: 'one' }));
  table.set(entry('feed two', ['*.a.test'], { certificateId: 'two', notAfter: now - 1 }));
  assert.deepEqual(table.bind(new Map([['www.a.test', 'two']])), ['www.a.test']);
  assert.equal(table.resolve('www.a.test', now)?.slot, 'feed two', 'even when it has expired');
  assert.deepEqual(
    table
      .bind(
        new Map([
          ['*.a.test', 'one'],
          ['x.a.test', 'three'],
        ]),
      )
      .toSorted(),
    ['*.a.test', 'www.a.test', 'x.a.test'],
  );
  assert.equal(table.resolve('www.a.test', now)?.slot, 'feed one');
  assert.equal(table.resolve('y.a.test', now), undefined);
  assert.deepEqual(
    [...table.unserved(now)],
    [
      ['*.a.test', 'one'],
      ['x.a.test', 'three'],
    ],
  );
  assert.deepEqual(table.bind(new Map()).toSorted(), ['*.a.test', 'x.a.test']);
  assert.equal(table.resolve('y.a.test', now)?.slot, 'feed two');
});

test('a name that is bound, also by the wildcard above it, is no conflict', () => {
  const table = tableOf(entry('one', ['x.a.test', 'x.b.test']), entry('two', ['x.a.test', 'x.b.test']));
  table.bind(new Map([['*.a.test', 'two']]));
  assert.deepEqual(
    [...table.conflicts(now)].map(({ name }) => name),
    ['x.b.test'],
  );
});

test('a certificate that serves nothing but a host bound to it counts as served', () => {
  const wide = entry('feed wide', ['*.a.test'], { certificateId: 'wide' });
  const table = tableOf(wide, entry('feed better', ['*.a.test'], { notAfter: now + 9_000 }));
  assert.equal(table.serves(wide, now), false);
  table.bind(new Map([['www.a.test', 'wide']]));
  assert.equal(table.serves(wide, now), true);
});

test('the other kind of key is an alternative: of the same source, valid now, and not for a bound host', () => {
  const ecdsa = entry('feed ec', ['a.test', '*.a.test'], { keyAlgorithm: 'ECDSA P-256', notAfter: now + 9_000 });
  const rsa = entry('feed rsa', ['a.test'], { keyAlgorithm: 'RSA 2048' });
  const table = tableOf(ecdsa, rsa);
  const alternative = (host: string): string | undefined => {
    const best = table.resolve(host, now);
    return best && table.alternative(host, best, now)?.slot;
  };
  assert.equal(alternative('a.test'), 'feed rsa');
  assert.equal(alternative('x.a.test'), undefined);
  assert.equal(table.serves(rsa, now), true);
  assert.deepEqual([...table.conflicts(now)], []);
  table.set(entry('feed wide', ['*.a.test'], { keyAlgorithm: 'RSA 3072' }));
  assert.equal(alternative('x.a.test'), 'feed wide');
  for (const change of [
    { source: 'files' },
    { notAfter: now },
    { keyAlgorithm: undefined },
    { keyAlgorithm: 'ed25519' },
  ]) {
    table.set({ ...rsa, ...change });
    assert.equal(alternative('a.test'), undefined, JSON.stringify(change));
  }
  table.set(rsa);
  table.bind(new Map([['a.test', ecdsa.certificateId]]));
  assert.equal(alternative('a.test'), undefined);
});

test('several certificates for one name are a conflict that says which one serves, and why', () => {
  const reasons = (a: Partial<TableEntry>, b: Partial<TableEntry>): string[] =>
    [...tableOf(entry('a', ['a.test'], a), entry('b', ['a.test'], b)).conflicts(now)].map(
      ({ name, serves, loses, because }) => `${name} ${serves.slot} ${loses.slot} ${because}`,
    );
  assert.deepEqual(reasons({}, { notAfter: now }), ['a.test a b valid']);
  assert.deepEqual(reasons({ rank: 1 }, {}), ['a.test b a rank']);
  assert.deepEqual(reasons({}, { notAfter: now + 2_000 }), ['a.test b a later-end']);
  assert.deepEqual(reasons({}, {}), ['a.test a b arbitrary']);
  assert.deepEqual(reasons({ fingerprint256: 'x' }, { fingerprint256: 'x' }), [], 'the same one, from two places');
  const table = tableOf(entry('a', ['a.test']), entry('b', ['a.test'], { rank: 1 }));
  table.bind(new Map([['a.test', 'b']]));
  assert.deepEqual([...table.conflicts(now)], [], 'a person has decided');
  assert.equal(table.resolve('a.test', now)?.slot, 'b');
  table.delete('b');
  assert.deepEqual([...table.conflicts(now)], []);
});
