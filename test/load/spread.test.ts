import assert from 'node:assert/strict';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { until } from '../support/until.ts';
import { respondRoute, startTerminator } from '../terminator/support/harness.ts';

test('connections are spread evenly over workers, also when they come one after the other', async (t) => {
  if (process.platform !== 'linux') return t.skip('the kernel spreads them on Linux');
  await using terminator = await startTerminator({ settings: { workers: 2 }, routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  const open: TLSSocket[] = [];
  try {
    const total = 400;
    for (let i = 0; i < total; i += 1) open.push(await terminator.handshake('a.test'));
    const held = await until(() => {
      const counts = terminator.supervisor.status().workers.map(({ connections }) => connections);
      return counts.reduce((sum, one) => sum + one, 0) === total ? counts : undefined;
    });
    // By chance alone, one in ten thousand runs would see more than this.
    assert.ok(Math.max(...held) <= total * 0.6, held.join(' and '));
  } finally {
    for (const socket of open) socket.destroy();
  }
});

test('never (§5.6): a worker that hangs delays new connections for seconds; the others take over what is meant for it', async () => {
  await using terminator = await startTerminator({ settings: { workers: 2 }, routes: [respondRoute('a.test', 'a')] });
  await terminator.serve('file/a', 1, 'a.test');
  const [hung] = terminator.supervisor.status().workers.map(({ pid }) => pid) as [number];
  process.kill(hung, 'SIGSTOP');
  // Half of these wait for the worker that hangs, until somebody else takes them.
  const waiting = await Promise.all(
    Array.from({ length: 16 }, async () => await terminator.fetch('a.test', '/', { timeoutMs: 25_000 })),
  );
  assert.ok(waiting.every(({ body }) => body === 'a'));
  assert.ok(
    terminator.supervisor.status().workers.some(({ pid }) => pid === hung),
    'it is not given up yet',
  );
  process.kill(hung, 'SIGCONT');
  await until(async () => (await terminator.fetch('a.test', '/')).body === 'a');
});
