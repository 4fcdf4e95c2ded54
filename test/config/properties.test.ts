import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseText } from '../../src/config/document.ts';
import { parseFields } from '../../src/config/issues.ts';
import { ProblemList } from '../../src/config/problems.ts';
import { fileSchema } from '../../src/config/schema.ts';
import { backendSchema } from '../../src/config/schema/backends.ts';
import { routeSchema } from '../../src/config/schema/routes.ts';
import { terminatorSchema } from '../../src/config/schema/terminator.ts';
import { tlsSchema } from '../../src/config/schema/tls.ts';
import { formatAddress } from '../../src/core/listen-address.ts';
import { collide, listen } from '../../src/config/values/addresses.ts';
import { canonicalDuration, duration } from '../../src/config/values/durations.ts';
import { balance, caSources, statusRange } from '../../src/config/values/backends.ts';
import { backendUrl, endpoint } from '../../src/config/values/endpoints.ts';
import { headerMatches, headerName, headerValues, method } from '../../src/config/values/headers.ts';
import { authority, hostName } from '../../src/config/values/hosts.ts';
import { nearest } from '../../src/config/values/nearest.ts';
import { network } from '../../src/config/values/networks.ts';
import type { Parser } from '../../src/config/values/parsed.ts';
import { pathMatch, pathPrefix } from '../../src/config/values/path-match.ts';
import { account, boolean, command, integer, path, share } from '../../src/config/values/scalars.ts';
import { secret } from '../../src/config/values/secrets.ts';
import { size } from '../../src/config/values/sizes.ts';
import { cipherSuite, keyExchangeGroup, tlsVersion } from '../../src/config/values/tls.ts';
import { parseDuration } from '../../src/core/duration.ts';
import { normaliseName } from '../../src/core/names.ts';
import { load } from './loading.ts';

/** Text that looks like configuration often enough to get deep into the loader. */
const words =
  'listen hosts dnsNames acme ca files directory routes path respond outputs http01 tls backends endpoints backend tcp hsts clientCertificates redirect rewrite health certificate'.split(
    ' ',
  );
const marks = [
  '*',
  '*.a.b',
  '&x',
  '*x',
  '${X}',
  '{',
  '}',
  '[',
  ']',
  ':',
  '-',
  '"',
  "'",
  '|',
  '>',
  '#',
  '---',
  '!t',
  '<<',
  '\t',
];
const word = fc.constantFrom(...Object.keys(fileSchema.shape), ...words, ...marks);
const yamlish = fc
  .array(fc.tuple(fc.nat(4), fc.oneof(word, fc.string({ maxLength: 6 })), fc.constantFrom(':', ': ', '', ' - ', ',')))
  .map((lines) => lines.map(([depth, text, end]) => `${'  '.repeat(depth)}${text}${end}`).join('\n'));

const scalar = fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null), word);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    scalar,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(word, fc.string({ maxLength: 5 })), tie('tree'), { maxKeys: 4 }),
  ),
}));

function assertProblems(problems: readonly { line?: number | undefined; message: string }[], lines: number): void {
  for (const { line, message } of problems) {
    assert.match(message, /[.?]$/, message);
    assert.ok(line === undefined || (line >= 1 && line <= lines + 1), `line ${line} of ${lines}`);
  }
}

test('the loader never throws: arbitrary text gives a configuration or problems inside the text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(yamlish, fc.string(), fc.string({ unit: 'binary' })), async (text) => {
      const { config, problems } = await load(text);
      assert.equal(
        config === undefined,
        problems.some(({ severity }) => severity === 'error'),
      );
      assertProblems(problems, text.split(/\r\n|\r|\n/).length);
    }),
    { numRuns: 300 },
  );
});

test('the loader never throws: arbitrary values in every section', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom(...Object.keys(fileSchema.shape)), tree), async (document) => {
      const text = stringify(document, { aliasDuplicateObjects: false });
      const { config, problems } = await load(text);
      assert.equal(
        config === undefined,
        problems.some(({ severity }) => severity === 'error'),
      );
      assertProblems(problems, text.split('\n').length);
    }),
    { numRuns: 300 },
  );
});

test('the loader never throws: arbitrary values of every option of the terminator', async () => {
  const keys = Object.keys(terminatorSchema.shape);
  const entry = (shape: object): fc.Arbitrary<object> =>
    fc.dictionary(
      fc.constantFrom(...Object.keys(shape)),
      fc.oneof(tree, fc.constant('http://a:1'), fc.constant(['a'])),
    );
  const section = fc
    .tuple(
      fc.dictionary(fc.constantFrom(...keys), tree, { maxKeys: 3 }),
      fc.array(entry(routeSchema.shape), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), entry(backendSchema.shape)),
      fc.array(fc.record({ names: fc.constant(['a']), tls: entry(tlsSchema.shape) }), { maxLength: 2 }),
    )
    .map(([rest, routes, backends, hosts]) => Object.assign({ routes, backends, hosts }, rest));
  await fc.assert(
    fc.asyncProperty(section, async (terminator) => {
      const text = stringify({ terminator }, { aliasDuplicateObjects: false });
      const { config, problems } = await load(text);
      assert.equal(
        config === undefined,
        problems.some(({ severity }) => severity === 'error'),
      );
      assertProblems(problems, text.split('\n').length);
    }),
    { numRuns: 300 },
  );
});

test('values of any kind are read or get a sentence, quickly', () => {
  const named: Parser<unknown>[] = [listen, hostName, pathPrefix, secret, account, boolean, command, path, share];
  const ofTheTerminator: Parser<unknown>[] = [backendUrl, endpoint, balance, caSources, statusRange, headerMatches];
  const more: Parser<unknown>[] = [headerName, method, authority, network, pathMatch, cipherSuite, keyExchangeGroup];
  const made = [duration(1, 1e12), integer(0, 10), size(1, 1e9, { zero: true }), headerValues(headerName, '{ a: b }')];
  const parsers = [...named, ...ofTheTerminator, ...more, tlsVersion, ...made];
  const hostile = fc.oneof(
    tree,
    fc.string({ maxLength: 5000 }),
    fc.constantFrom('['.repeat(10_000), ':'.repeat(10_000), '1m'.repeat(5000), 'a.'.repeat(5000), '/.'.repeat(5000)),
  );
  fc.assert(
    fc.property(hostile, (value) => {
      for (const parse of parsers) {
        const parsed = parse(value);
        if ('problem' in parsed) assert.ok(/^[^\n]{1,600}[.?]$/.test(parsed.problem), parsed.problem.slice(0, 700));
      }
    }),
  );
});

test('a duration that is taken is the one that was meant, also in the forms of other programs', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9999 }), fc.constantFrom('s', 'm', 'h', 'd', 'w', 'y'), (amount, unit) => {
      const words = { s: 'seconds', m: 'minutes', h: 'hours', d: 'days', w: 'weeks', y: 'years' }[unit];
      const ms = parseDuration(`${amount}${unit}`);
      assert.deepEqual(duration(1, Number.MAX_SAFE_INTEGER)(`${amount}${unit}`), { value: ms });
      for (const text of [`${amount} ${words}`, `${amount}${words}`, ` ${amount} ${unit.toUpperCase()} `]) {
        assert.equal(parseDuration(canonicalDuration(text) ?? ''), ms, text);
      }
    }),
  );
  assert.equal(canonicalDuration('P90D'), '90d');
  assert.equal(canonicalDuration('PT1H30M'), '1h30m');
  assert.equal(canonicalDuration('1 hour and 30 minutes'), '1h30m');
  assert.equal(canonicalDuration('soon'), undefined);
});

test('a name that is suggested is taken when it is written', () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
  const name = fc.tuple(label, label, fc.stringMatching(/^[a-z]{2,6}$/)).map((labels) => labels.join('.'));
  const wrap = fc.constantFrom('https://NAME/', 'NAME:443', 'http://NAME:8080/a?b#c', '.NAME', 'ftp://user@NAME');
  fc.assert(
    fc.property(name, wrap, (host, form) => {
      const parsed = hostName(form.replace('NAME', host));
      assert.ok('problem' in parsed);
      const suggested = /; write "?([^"]+?)"?\.$/.exec(parsed.problem)?.[1];
      assert.deepEqual(hostName(suggested), { value: host });
      assert.deepEqual(hostName(` ${host.toUpperCase()}. `), { value: host });
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const parsed = hostName(text);
      if ('value' in parsed)
        assert.equal(normaliseName(parsed.value), parsed.value, 'canonical names stay as they are');
    }),
  );
});

test('an address is the same after it was written down and read again', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.integer({ min: 0, max: 65_535 }), (address, port) => {
      const parsed = listen(address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`);
      assert.ok('value' in parsed);
      assert.deepEqual(listen(formatAddress(parsed.value)), parsed);
      assert.equal(collide(parsed.value, parsed.value), port !== 0);
    }),
  );
  assert.deepEqual(listen(':80'), { value: { host: '::', port: 80 } });
  assert.deepEqual(listen(8443), { value: { host: '::', port: 8443 } });
  assert.deepEqual(listen('*:443'), { value: { host: '::', port: 443 } });
  assert.deepEqual(listen('[0:0:0:0:0:0:0:1]:443'), { value: { host: '::1', port: 443 } });
});

test('the nearest known word is found after one slip of the finger', () => {
  const known = Object.keys(fileSchema.shape);
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat(20), fc.constantFrom('drop', 'swap', 'double'), (key, at, slip) => {
      const i = at % (key.length - 1);
      const wrong = {
        drop: key.slice(0, i) + key.slice(i + 1),
        swap: `${key.slice(0, i)}${key[i + 1]}${key[i]}${key.slice(i + 2)}`,
        double: key.slice(0, i + 1) + key.slice(i),
      }[slip];
      assert.equal(nearest(wrong, known), key);
    }),
  );
  assert.equal(nearest('completely-different', known), undefined);
});

test('a part of a document is read key by key, whatever stands in it', () => {
  fc.assert(
    fc.property(tree, (value) => {
      const problems = new ProblemList(() => undefined);
      const parsed = parseFields(fileSchema.shape.issuance.def.innerType, value, { path: ['issuance'], problems });
      assert.equal(parsed?.complete ?? false, problems.errors === 0);
    }),
  );
});

test('positions lie inside the text', () => {
  fc.assert(
    fc.property(yamlish, fc.array(fc.oneof(word, fc.nat(3))), (text, at) => {
      const { locator } = parseText(text);
      const position = locator.at(at, 'value');
      if (position !== undefined) assert.ok(position.line <= text.split('\n').length && position.column >= 1);
    }),
  );
});
