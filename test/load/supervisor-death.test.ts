import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { defaultTimeouts } from '../../src/core/terminator.ts';
import { startBackend } from '../support/backend.ts';
import { startLoad } from '../support/load.ts';
import { freePort } from '../support/ports.ts';
import { spawnProcess, type RunningProcess } from '../support/process.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { proxyRoute, settingsFor } from '../terminator/support/harness.ts';

const program = join(import.meta.dirname, '..', 'terminator', 'support', 'supervisor-process.ts');

async function ready(supervisor: RunningProcess): Promise<number[]> {
  const [, list] = await supervisor.waitForLine(/ready (\[.*\])/);
  return JSON.parse(list ?? '[]') as number[];
}

test('after a kill under load a new supervisor opens the same address at once, beside the old workers', async () => {
  await using directory = await tempDir();
  await using backend = await startBackend();
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.test'] });
  const port = await freePort();
  const settings = settingsFor(
    { https: [{ host: '127.0.0.1', port }], http: [], timeouts: { ...defaultTimeouts, drainMs: 3_000 } },
    [proxyRoute('a.test', backend.url)],
  );
  const input = { bundle: { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem }, settings, directory: directory.path };
  const start = (): RunningProcess =>
    spawnProcess(process.execPath, [program, JSON.stringify(input)], { name: 'supervisor', group: true });
  await using first = start();
  const old = await ready(first);
  await using load = startLoad({ mode: 'new', port, caPem: ca.certPem, servernames: ['a.test'], concurrency: 3 });
  await load.reached(100);
  first.child.kill('SIGKILL');
  await using second = start();
  const fresh = await ready(second);
  assert.deepEqual(
    fresh.filter((pid) => old.includes(pid)),
    [],
  );
  const before = load.failures.length;
  await load.reached(load.done + 200);
  await load.stop();
  // Between the two nobody listens: connections are refused, and that is all that happens.
  assert.deepEqual(
    load.failures.slice(before).filter(({ phase }) => phase !== 'connect'),
    [],
  );
  assert.deepEqual(
    load.failures.filter(({ phase, code }) => phase !== 'connect' && code !== 'ECONNRESET'),
    [],
  );
});
