import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readPath } from '../../../src/terminator/routing/request-path.ts';

function pathOf(target: string): string {
  const read = readPath(target);
  return typeof read === 'string' ? read : read.path;
}

test('a path comes in its normal form: unreserved characters decoded, dot segments resolved', () => {
  const cases: Record<string, string> = {
    '/': '/',
    '/a/b': '/a/b',
    '/%61dm%69n': '/admin',
    '/%7euser': '/~user',
    '/a%3ab%c3%a4': '/a%3Ab%C3%A4',
    '/\xe4': '/%E4',
    '/a/../b': '/b',
    '/a/./b/': '/a/b/',
    '/a/%2e%2E/b': '/b',
    '/a/%2e': '/a/',
    '/a/b/..': '/a/',
    '/.': '/',
    '/a//b': '/a//b',
    '/a//../b': '/a/b',
    '/.well-known/x': '/.well-known/x',
    '/a..b/...': '/a..b/...',
    '/a/..//evil.test': '/evil.test',
    '/%25zz': '/%25zz',
    '*': '*',
  };
  for (const [target, path] of Object.entries(cases)) assert.equal(pathOf(target), path, target);
});

test('what would mean one thing here and another thing to a backend is refused', () => {
  for (const target of [
    '/%',
    '/%4',
    '/%zz',
    '/%u0041',
    '/a%00b',
    '/a\x00',
    '/a b',
    '/a#b',
    '/a?b#c',
    '/..',
    '/../a',
    '/a/../../b',
    '/%2e%2e/a',
    '/a/..;/b',
    '/a/..;x=1/b',
    '/a/.;/b',
    '/a/..%2fb',
    '/a%2f..%2fb',
    '/a%2f..',
    '/a\\..\\b',
    '/a/..\\b',
    '/a/..%5cb',
    '/a%5C%2e%2e/b',
    '/a/..%3b/b',
    '/\u0100',
  ]) {
    assert.equal(typeof readPath(target), 'string', target);
  }
});

test('the query is kept byte by byte, whatever stands in it', () => {
  const read = readPath('/a/../b?x=%2e%2e/../%zz\\;//');
  assert.deepEqual(read, { path: '/b', query: '?x=%2e%2e/../%zz\\;//', readings: 'one' });
  assert.deepEqual(readPath('/?'), { path: '/', query: '?', readings: 'one' });
});

test('what readers disagree about has a second reading', () => {
  const cases: Record<string, string> = {
    '/a%2fb': '/a/b',
    '/a\\b': '/a/b',
    '/a%5cb': '/a/b',
    '/a;v=1/b': '/a/b',
    '/a%3Bv/b': '/a/b',
    '//a///b/': '/a/b/',
    '/%40scope%2Fname': '/@scope/name',
  };
  for (const [target, lenient] of Object.entries(cases)) {
    const read = readPath(target);
    assert.ok(typeof read !== 'string' && read.readings !== 'one', target);
    assert.equal(read.lenient, lenient, target);
  }
});

const piece = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    '.',
    '..',
    '',
    '%2e',
    '%2E.',
    '%2f',
    '%5c',
    '\\',
    ';',
    '%3b',
    '%61',
    '%',
    '%00',
    '%40',
    '~',
    '\xe9',
  ),
  fc.string({ maxLength: 3 }),
);
const rawPath = fc.array(
  fc.array(piece, { maxLength: 3 }).map((pieces) => pieces.join('')),
  { maxLength: 6 },
);

test('a normal form is its own normal form, has no dot segment, and begins with a slash', () => {
  fc.assert(
    fc.property(rawPath, (segments) => {
      const read = readPath(`/${segments.join('/').replaceAll('?', '')}`);
      if (typeof read === 'string') return;
      assert.deepEqual(readPath(read.path), read);
      assert.match(read.path, /^\/[\x21-\x7e]*$/);
      assert.doesNotMatch(read.path, /\/\.\.?(?:\/|$)/);
      if (read.lenient !== undefined) {
        assert.doesNotMatch(read.lenient, /\/\.\.?(?:\/|$)|\/\/|\\|;|%2F/);
        assert.ok(read.readings !== 'one');
      }
    }),
    { numRuns: 2_000 },
  );
});

// At this length anything worse than linear time does not end.
test('reading takes time in proportion to the length, whatever is repeated', () => {
  const pieces = [
    '..%2f',
    '/..',
    '//',
    '/;',
    ';',
    '%3b',
    ';%',
    '%2e',
    '/%5c',
    '\\',
    '.',
    '/./',
    '%40',
    '\xe4',
    'a;',
    '?',
    '%25',
  ];
  for (const one of pieces) {
    for (const [first, last] of [
      ['/', ''],
      ['/', '\\'],
      ['/;', '%'],
      ['/%2f', '/..;'],
      ['/', '%2f'],
    ] as const) {
      const path = readPath(`${first}${one.repeat(400_000 / one.length)}${last}`);
      assert.ok(typeof path === 'string' || path.path.startsWith('/'));
    }
  }
});
