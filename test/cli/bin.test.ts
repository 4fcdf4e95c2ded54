import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { certplaneCli } from '../support/certplane.ts';
import { runProgram } from '../support/process.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';

const source = join(import.meta.dirname, '..', '..', 'src', 'bin.ts');

/** The file as it is published, but for its imports. */
async function published(dir: TempDir): Promise<string> {
  const file = dir.join('bin.mjs');
  const script = stripTypeScriptTypes(await readFile(source, 'utf8'));
  assert.doesNotMatch(script, /^\s*(?:import|export)\s*[^(]/m, 'nothing is imported before the version is checked');
  await writeFile(file, script);
  return file;
}

async function oldNode(): Promise<{ path: string; version: string } | undefined> {
  const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  for (const place of new Set(places)) {
    if (place.includes('node_modules')) continue;
    try {
      const path = join(place, 'node');
      const { stdout } = await runProgram(path, ['--version']);
      const version = stdout.trim();
      if (Number(/^v(\d+)\./.exec(version)?.[1]) < 26) return { path, version };
    } catch {
      // there is none in this directory
    }
  }
  return undefined;
}

test('an old Node names the version that is needed and exits 1', async (t) => {
  const old = await oldNode();
  if (old === undefined) return t.skip('needs a Node older than 26 on PATH, besides the one of the project');
  await using dir = await tempDir();
  const { code, stdout, stderr } = await runProgram(old.path, [await published(dir), 'run']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, new RegExp(`^Certplane needs Node\\.js 26 or newer; this is ${RegExp.escape(old.version)}\\. `));
  assert.equal(stderr.trim().split('\n').length, 1);
});

test('the entry has no syntax newer than Node 12 and no static import', async () => {
  await using dir = await tempDir();
  const script = await readFile(await published(dir), 'utf8');
  const code = script.replaceAll(/\/\/.*$/gm, '').replaceAll(/'[^'\n]*'/g, "''");
  assert.doesNotMatch(code, /\?\.|\?\?|\|\|=|&&=|#\w|\bawait\b|\bstatic\s*\{|\d_\d/);
  assert.equal(code.match(/\bimport\b/g)?.length, 1, 'one dynamic import');
});

test("the exit code is the command's: 0 worked, 1 problem, 2 usage", async () => {
  await using dir = await tempDir();
  const codes = [];
  for (const argv of [['--version'], ['check', '--config', dir.join('missing.yaml')], ['nonsense']]) {
    codes.push((await certplaneCli(argv, { cwd: dir.path })).code);
  }
  assert.deepEqual(codes, [0, 1, 2]);
});

test('a reader that closes early is no error', async () => {
  const shell = `"${process.execPath}" "${source}" check --options --json | head -n 1`;
  const { stdout, stderr } = await runProgram('/bin/bash', ['-c', `set -o pipefail; ${shell}; echo "exit $?"`]);
  assert.equal(stdout, '[\nexit 0\n');
  assert.equal(stderr, '');
});
