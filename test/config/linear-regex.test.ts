/** The verdict on regular expressions in paths is the one of the engine that matches them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { regexProblem } from '../../src/config/values/linear-regex.ts';

const engine = `
let text = '';
process.stdin.on('data', (chunk) => (text += chunk)).on('end', () => {
  const verdicts = JSON.parse(text).map((source) => {
    try {
      new RegExp(source, 'l').test('/some/path');
      return true;
    } catch {
      return false;
    }
  });
  process.stdout.write(JSON.stringify(verdicts));
});`;

/** Whether V8's linear engine takes each of them. */
function taken(sources: readonly string[]): boolean[] {
  const args = ['--enable-experimental-regexp-engine', '-e', engine];
  const { stdout } = spawnSync(process.execPath, args, { input: JSON.stringify(sources), encoding: 'utf8' });
  return JSON.parse(stdout) as boolean[];
}

const atom = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      'a',
      '/',
      '.',
      '[a-z]',
      '[^/]',
      '\\d',
      '\\b',
      '\\.',
      '[\\]x]',
      '\\x41',
      '$',
      '{',
      'a{,2}',
    ),
    weight: 8,
  },
  {
    arbitrary: fc.constantFrom(
      '\\1',
      '\\k<n>',
      '[\\1]',
      '\\0',
      '\\cA',
      '\\u{3}',
      '[',
      ')',
      '(?i:a)',
      '(?=b)',
      '(?<!b)',
    ),
    weight: 1,
  },
);
const repeat = fc.oneof(
  { arbitrary: fc.constantFrom('', '', '', '*', '+', '?', '*?', '+?', '??'), weight: 6 },
  {
    arbitrary: fc
      .tuple(fc.nat(18), fc.option(fc.nat(18)), fc.constantFrom('', '?'))
      .map(([min, more, lazy]) => `{${min}${more === null ? '' : `,${more === 0 ? '' : min + more}`}}${lazy}`),
    weight: 2,
  },
);
const { pattern } = fc.letrec<{ pattern: string; group: string; sequence: string }>((tie) => ({
  group: fc
    .tuple(fc.constantFrom('(', '(?:', '(?<n>'), tie('pattern'))
    .map(([opening, inner]) => `${opening}${inner})`),
  sequence: fc
    .array(fc.tuple(fc.oneof({ maxDepth: 5, depthSize: 'small' }, atom, tie('group')), repeat), { maxLength: 3 })
    .map((parts) => parts.flat().join('')),
  pattern: fc.array(tie('sequence'), { minLength: 1, maxLength: 2 }).map((parts) => parts.join('|')),
}));

test('no expression is taken that the linear engine refuses, and hardly one is refused that it takes', () => {
  const sources = fc.sample(pattern, { numRuns: 4_000, seed: 7 }).map((source) => `/${source}`);
  const verdicts = taken(sources);
  let possible = 0;
  let refused = 0;
  for (const [i, source] of sources.entries()) {
    const problem = regexProblem(source);
    if (problem === undefined) assert.ok(verdicts[i], source);
    if (!verdicts[i]) continue;
    possible += 1;
    if (problem !== undefined && !/^(?:Back-references|Modifiers)/.test(problem)) refused += 1;
  }
  assert.ok(possible > 500 && possible < sources.length - 500);
  // Bodies that match nothing, which the engine drops.
  assert.ok(refused / possible < 0.1, `${refused} of ${possible}`);
});

test('arbitrary text never throws, and what is taken compiles', () => {
  const texts = fc.sample(fc.string({ maxLength: 30 }), { numRuns: 2_000, seed: 11 });
  const fine = texts.filter((text) => regexProblem(text) === undefined);
  assert.ok(taken(fine).every(Boolean));
});

test('what is refused is told what to write instead', () => {
  const cases: [string, RegExp][] = [
    ['/a(?=b)', /^Look-around \(\(\?=…\)\) cannot be matched in linear time; write several routes instead\.$/],
    ['/a(?<!b)', /^Look-around/],
    ['/(a)\\1', /^Back-references \(\\1\)/],
    ['/(?<n>a)\\k<n>', /^Back-references \(\\k\)/],
    ['/(?i:a)', /^Modifiers/],
    ['/[a-z]{1,100}', /^Repetitions such as \{1,16\} count to 16 at most/],
    ['/(a{5}){5}', /^Repetitions/],
    ['/(((((a+)+)+)+)+)+', /each \+ counts twice/],
    ['/a[', /^This is not a regular expression \(\/\/a\[\/: /],
    ['api/.*', /^A path begins with a slash; write \/api\/\.\*\.$/],
    ['^api', /write \/api\.$/],
    ['/ä', /percent-encoded\.$/],
    ['', /in ASCII/],
    [`/${'a'.repeat(500)}`, /at most 500 characters/],
  ];
  for (const [source, expected] of cases) assert.match(regexProblem(source) ?? 'taken', expected, source);
  for (const source of ['/a.*', '^/v[0-9]+/(?:users|orders)$', '\\/x', '/(a+)+$', '(/a|/b)', '/[^/]{1,16}']) {
    assert.equal(regexProblem(source), undefined, source);
  }
});
