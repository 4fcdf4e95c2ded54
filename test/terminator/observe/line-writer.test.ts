import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const program = new URL('support/write-lines.ts', import.meta.url).pathname;
const lines = 4_000;

test('lines of several workers to one pipe stay whole, also when it is full', async () => {
  const both = `("$0" "$1" a ${lines} & "$0" "$1" b ${lines} & wait) | cat`; // what node itself makes is a socket
  const child = spawn('/bin/sh', ['-c', both, process.execPath, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    // Slower than the writers, so that they meet in a full pipe.
    await delay(5);
  }
  const found = text.split('\n').slice(0, -1);
  assert.deepEqual(
    found.filter((line) => !/^(?:a \d+ a{300}|b \d+ b{300})$/.test(line)).map((line) => line.length),
    [],
  );
  assert.equal(found.length, 2 * lines);
});
