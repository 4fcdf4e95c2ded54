import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalNames,
  hostOfAuthority,
  nameCovers,
  namesCover,
  normaliseName,
  wildcardFor,
} from '../../src/core/names.ts';

test('a name is brought to its one canonical form', () => {
  const cases: [string, string | undefined][] = [
    ['Shop.Example.COM.', 'shop.example.com'],
    ['*.Apps.localhost', '*.apps.localhost'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['_acme.example.com', '_acme.example.com'],
    ['', undefined],
    ['*.', undefined],
    ['a..b', undefined],
    ['-a.example', undefined],
    ['a-.example', undefined],
    ['*.*.example', undefined],
    ['shop.*.example', undefined],
    ['10.0.0.1', undefined],
    ['a'.repeat(64), undefined],
    [`${'a.'.repeat(127)}abc`, undefined],
    ['exa mple.com', undefined],
    ['example.com/path', undefined],
  ];
  for (const [input, expected] of cases) assert.equal(normaliseName(input), expected, input);
});

test('normalising never throws, and doing it twice changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      const once = normaliseName(text);
      if (once !== undefined) assert.equal(normaliseName(once), once);
    }),
  );
});

test('a wildcard covers exactly one label', () => {
  assert.ok(nameCovers('*.apps.localhost', 'shop.apps.localhost'));
  assert.ok(nameCovers('*.apps.localhost', '*.apps.localhost'));
  assert.ok(!nameCovers('*.apps.localhost', 'apps.localhost'));
  assert.ok(!nameCovers('*.apps.localhost', 'a.b.apps.localhost'));
  assert.ok(!nameCovers('*.localhost', 'localhost'));
  assert.equal(wildcardFor('localhost'), undefined);
  assert.ok(namesCover(['a.example', '*.b.example'], 'x.b.example'));
  assert.ok(!namesCover([], 'x.b.example'));
});

test('two lists of the same names have the same canonical form', () => {
  fc.assert(
    fc.property(fc.array(fc.domain(), { maxLength: 8 }), (names) => {
      assert.deepEqual(canonicalNames([...names, ...names].toReversed()), canonicalNames(names));
    }),
  );
});

test('the host of an authority is found without its port', () => {
  assert.equal(hostOfAuthority('Shop.Example.com:8443'), 'shop.example.com');
  assert.equal(hostOfAuthority('shop.example.com.'), 'shop.example.com');
  assert.equal(hostOfAuthority('[::1]:8443'), '::1');
  assert.equal(hostOfAuthority('[::1'), undefined);
  assert.equal(hostOfAuthority(''), undefined);
  assert.equal(hostOfAuthority('a'.repeat(301)), undefined);
});
