import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeResult } from '../../src/explain/probe.ts';
import { rememberedMs, rememberedProbe } from '../../src/explain/remembered-probe.ts';
import { ManualClock } from '../support/manual-clock.ts';

const { signal } = new AbortController();
const target = { host: '127.0.0.1', port: 8443, servername: 'shop.example.com' };
const shown: ProbeResult = { kind: 'shown', serial: '01', fingerprint256: 'a', notAfter: 0 };

function counting() {
  const clock = new ManualClock();
  const asked: string[] = [];
  const ask = rememberedProbe(async ({ servername }) => {
    asked.push(servername);
    return shown;
  }, clock);
  return { clock, asked, ask };
}

test('an address and name are asked once in a while, and again after it, or for another version', async () => {
  const { clock, asked, ask } = counting();
  for (let look = 0; look < 5; look += 1) assert.equal(await ask(target, signal, '01'), shown);
  assert.equal(asked.length, 1);
  await ask({ ...target, servername: 'www.example.com' }, signal, '01');
  await ask({ ...target, port: 8444 }, signal, '01');
  await ask(target, signal, '02');
  assert.equal(asked.length, 4);
  await clock.advance(rememberedMs);
  await ask(target, signal, '01');
  assert.equal(asked.length, 5);
  await clock.jumpTo('2020-01-01T00:00:00Z');
  await ask(target, signal, '01');
  assert.equal(asked.length, 6, 'a clock that was set back does not keep an old answer');
});

test('what was stopped is not remembered, and what is remembered is bounded', async () => {
  const { asked, ask } = counting();
  let fail = true;
  const failing = rememberedProbe(async () => {
    if (fail) throw new Error('stopped');
    return shown;
  }, new ManualClock());
  await assert.rejects(failing(target, signal, '01'));
  fail = false;
  assert.equal(await failing(target, signal, '01'), shown);
  for (let i = 0; i <= 1_000; i += 1) await ask({ ...target, servername: `n${i}.test` }, signal, '01');
  await ask({ ...target, servername: 'n1000.test' }, signal, '01');
  assert.equal(asked.length, 1_001);
  await ask({ ...target, servername: 'n0.test' }, signal, '01');
  assert.equal(asked.length, 1_002, 'the oldest one was let go');
});
