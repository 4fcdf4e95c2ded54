import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'node:test';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { defaultTimeouts } from '../../src/core/terminator.ts';
import { startBackend } from '../support/backend.ts';
import { freePort } from '../support/ports.ts';
import { spawnProcess, type RunningProcess } from '../support/process.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { until } from '../support/until.ts';
import { proxyRoute, settingsFor } from './support/harness.ts';
import { connectPlain } from './support/raw.ts';

const program = join(import.meta.dirname, 'support', 'supervisor-process.ts');

async function ready(supervisor: RunningProcess): Promise<number[]> {
  const [, list] = await supervisor.waitForLine(/ready (\[.*\])/);
  return JSON.parse(list ?? '[]') as number[];
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('when the supervisor is killed, workers accept nothing more, keep open connections until the drain deadline, and leave', async () => {
  await using directory = await tempDir();
  await using backend = await startBackend();
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: ['a.test'] });
  const port = await freePort();
  const settings = settingsFor(
    { https: [{ host: '127.0.0.1', port }], http: [], timeouts: { ...defaultTimeouts, drainMs: 1_500 } },
    [proxyRoute('a.test', backend.url)],
  );
  const input = { bundle: { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem }, settings, directory: directory.path };
  const start = (): RunningProcess =>
    spawnProcess(process.execPath, [program, JSON.stringify(input)], { name: 'supervisor', group: true });
  const handshake = async (): Promise<TLSSocket> => {
    const socket = tlsConnect({
      host: '127.0.0.1',
      port,
      servername: 'a.test',
      ca: ca.certPem,
      ALPNProtocols: ['http/1.1'],
    });
    await once(socket, 'secureConnect');
    return socket;
  };
  await using first = start();
  const workers = await ready(first);
  const busy = await handshake();
  busy.write('GET /stream?chunks=30&bytes=10&ms=10 HTTP/1.1\r\nHost: a.test\r\n\r\n');
  let answer = '';
  busy.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  const hanging = await handshake();
  hanging.on('error', () => undefined);
  hanging.write('GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => backend.requests === 2);

  const killedAt = performance.now();
  first.kill('SIGKILL');
  await until(
    async () =>
      !(await connectPlain(port).then(
        (socket) => (socket.destroy(), true),
        () => false,
      )),
    { what: 'a closed address' },
  );
  assert.ok(workers.every(isAlive), 'they still carry connections');
  await until(() => answer.endsWith('0\r\n\r\n'), { what: 'the end of the answer under way' });
  await once(hanging.resume(), 'close');
  assert.ok(performance.now() - killedAt >= 1_400, 'not before the deadline');
  await until(() => !workers.some(isAlive), { what: 'the end of the workers' });

  await using second = start();
  await ready(second);
  (await handshake()).destroy();
});
