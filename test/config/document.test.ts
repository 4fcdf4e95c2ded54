import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseText } from '../../src/config/document.ts';
import { loaded, problemsOf } from './loading.ts';

test('a key that is there twice is named with the line of the second one', async () => {
  assert.deepEqual(await problemsOf('admin: {}\ndataDir: a\nadmin: {}\n'), [
    'certplane.yaml:3:1: error: admin: The key "admin" is here twice; keep one of them.',
  ]);
  assert.deepEqual(await problemsOf('certificates:\n  a: { dnsNames: [a.example.com], dnsNames: [b.example.com] }\n'), [
    'certplane.yaml:2:35: error: certificates.a.dnsNames: The key "dnsNames" is here twice; keep one of them.',
  ]);
});

test('an alias stands for a whole value, and problems in it are shown where it is written', async () => {
  const config = await loaded(`issuers: { local: { ca: {} } }
certificates:
  a: { dnsNames: [a.example.com], key: &strong { algorithm: rsa, size: 4096 } }
  b: { dnsNames: [b.example.com], key: *strong }
`);
  assert.deepEqual(
    config.certificates.map(({ key }) => key),
    [
      { algorithm: 'rsa', size: 4096 },
      { algorithm: 'rsa', size: 4096 },
    ],
  );
  const [first, second] = await problemsOf(`certificates:
  a: { dnsNames: [a.example.com], key: &odd { size: 100 } }
  b: { dnsNames: [b.example.com], key: *odd }
`);
  assert.match(first ?? '', /^certplane\.yaml:2:53: error: certificates\.a\.key\.size/);
  assert.match(second ?? '', /^certplane\.yaml:2:53: error: certificates\.b\.key\.size/);
});

test('an alias without its anchor, before it, or inside it is refused', async () => {
  assert.match((await problemsOf('admin: *nobody'))[0] ?? '', /Nothing is called &nobody before this/);
  assert.match(
    (await problemsOf('admin: *later\nmetrics: &later {}'))[0] ?? '',
    /Nothing is called &later before this/,
  );
  assert.match((await problemsOf('admin: &me { hosts: [*me] }'))[0] ?? '', /\*me stands inside what it refers to/);
});

test('aliases that multiply, and nesting without end, are refused and cost little', async () => {
  const bomb = ['a: &a0 [x]'];
  for (let i = 1; i < 40; i += 1)
    bomb.push(
      `b${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  const lines = await problemsOf(bomb.join('\n'));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /The file holds more than \d+ values, through aliases; write it out with less\./);
  assert.match((await problemsOf(`a: ${'['.repeat(70)}${']'.repeat(70)}`))[0] ?? '', /more than 64 levels/);
  for (const open of ['[', '{a: ']) {
    const deep = await problemsOf(`a: ${open.repeat(100_000)}`);
    assert.equal(deep.length, 1);
    assert.match(deep[0] ?? '', /: error: The file is nested too deeply to be read; write it with less nesting\./);
  }
});

test('a key such as __proto__ is a key like any other', async () => {
  for (const key of ['__proto__', 'constructor', 'toString']) {
    const lines = await problemsOf(`${key}: { polluted: true }\ncertificates: { ${key}: { ${key}: 1 } }`);
    assert.match(lines[0] ?? '', new RegExp(`: ${key}: The option "${key}" is not known here`));
    assert.ok(lines.some((line) => line.includes(`certificates.${key}.${key}: The option "${key}" is not known here`)));
  }
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test('positions are found through lists, mappings and aliases', () => {
  const { locator } = parseText('a:\n  - x: 1\n    y: &v { z: 2 }\nb: *v\n');
  assert.deepEqual(locator.at(['a', 0, 'x'], 'value'), { line: 2, column: 8 });
  assert.deepEqual(locator.at(['a', 0, 'x'], 'key'), { line: 2, column: 5 });
  assert.deepEqual(locator.at(['b', 'z'], 'value'), { line: 3, column: 16 });
  assert.deepEqual(locator.at(['a', 0, 'missing'], 'value'), { line: 2, column: 5 }, 'the nearest thing above');
  assert.deepEqual(locator.at(['nothing', 'here'], 'value'), { line: 1, column: 1 });
});
