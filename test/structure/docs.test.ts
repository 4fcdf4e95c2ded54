import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { reference } from '../../tools/docs.ts';

const root = resolve(import.meta.dirname, '../..');

test('the tables of error codes and metrics are what the code says (node tools/docs.ts writes them)', async () => {
  assert.equal(await readFile(join(root, 'docs', 'reference.md'), 'utf8'), await reference());
});

test('every link between the documents leads somewhere', async () => {
  for (const file of [
    'README.md',
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/configuration.md',
    'docs/cli.md',
    'docs/reference.md',
    'docs/terminator.md',
  ]) {
    const text = await readFile(join(root, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (!target.includes('://'))
        assert.ok(existsSync(join(root, dirname(file), target)), `${file} links to ${target}`);
    }
  }
});

test('every dependency has its reason in CONTRIBUTING', async () => {
  const contributing = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8');
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    const family = name.startsWith('@tanstack/') ? '@tanstack/*' : name;
    assert.ok(name.startsWith('@types/') || contributing.includes(family), `${name} is not mentioned`);
  }
});
