import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { readRefusal, removeRefusal, writeRefusal } from '../../src/main/refusal.ts';
import { tempDir } from '../support/tempdir.ts';

const refusal = { code: 'store.corrupt', message: 'It is damaged.' };

test('why control does not start is told while the process that says so is there, and not after it', async () => {
  await using temporary = await tempDir();
  const run = temporary.join('run');
  const file = temporary.join('run', 'control-refused.json');
  assert.equal(await readRefusal(run), undefined);
  await writeRefusal(run, refusal, silentLog);
  assert.deepEqual(await readRefusal(run), refusal);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await writeFile(file, (await readFile(file, 'utf8')).replace(`:${process.pid}}`, `:${spawnSync('true').pid}}`));
  assert.equal(await readRefusal(run), undefined, 'left by one that was killed');
  await writeFile(file, '{"code": 1}');
  assert.equal(await readRefusal(run), undefined);
  await removeRefusal(run, silentLog);
  await removeRefusal(run, silentLog);
});

test('a directory that nothing can be written to is no reason to stop serving', async () => {
  await writeRefusal('/proc/certplane', refusal, silentLog);
  await removeRefusal('/proc/certplane', silentLog);
});
