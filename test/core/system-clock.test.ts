import assert from 'node:assert/strict';
import test from 'node:test';
import { withDeadline } from '../../src/core/deadline.ts';
import { hasCode } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/system-clock.ts';

const signal = new AbortController().signal;
const day = 86_400_000;

async function hangs(limited: AbortSignal): Promise<void> {
  await new Promise((_, reject) => limited.addEventListener('abort', () => reject(limited.reason as Error)));
}

test('never (§5.11): a clock that is set back by days makes nobody wait for days whose time is a length', async (t) => {
  const right = Date.now.bind(Date);
  const slept = systemClock.sleep(20, signal);
  const limited = assert.rejects(
    withDeadline({ clock: systemClock, ms: 20, signal, what: 'A server' }, hangs),
    (error) => hasCode(error, 'issuer.timeout'),
  );
  t.mock.method(Date, 'now', () => right() - 3 * day);
  await Promise.all([slept, limited]);
});

test('what waits for a time of day does so by the clock as it is', async (t) => {
  const right = Date.now.bind(Date);
  let error = 0;
  t.mock.method(Date, 'now', () => right() + error);
  const stop = new AbortController();
  let came = false;
  const waiting = systemClock.waitUntil(Date.now() + 5, stop.signal).then(() => (came = true));
  error = -day;
  await systemClock.sleep(30, signal);
  assert.equal(came, false);
  stop.abort();
  await assert.rejects(waiting);
});

test('a sleep ends with its signal, and one of no length on the next turn', async () => {
  await systemClock.sleep(0, signal);
  await systemClock.sleep(-1, signal);
  const stop = new AbortController();
  const sleeping = systemClock.sleep(60 * day, stop.signal);
  stop.abort();
  await assert.rejects(sleeping, (error) => error === stop.signal.reason);
});
