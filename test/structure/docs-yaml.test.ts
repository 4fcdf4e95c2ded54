import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { problemsOf } from '../config/loading.ts';

const root = resolve(import.meta.dirname, '../..');

test('every example in docs/terminator.md loads without a problem', async () => {
  const text = await readFile(join(root, 'docs', 'terminator.md'), 'utf8');
  const examples = [...text.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => yaml ?? '');
  assert.ok(examples.length >= 10, `${examples.length} examples were found`);
  for (const yaml of examples) assert.deepEqual(await problemsOf(yaml), [], yaml);
});

test('every link inside docs/terminator.md leads to a heading of it', async () => {
  const text = await readFile(join(root, 'docs', 'terminator.md'), 'utf8');
  const headings = new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  const targets = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = '']) => target);
  assert.ok(targets.length > 0);
  for (const target of targets) assert.ok(headings.has(target), `there is no heading for #${target}`);
});
