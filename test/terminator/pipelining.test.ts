import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from '../support/until.ts';
import { proxyRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { rawBackend, talk, type RawBackend } from './support/raw.ts';

const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

async function served(backend: RawBackend): Promise<TestTerminator> {
  const terminator = await startTerminator({ routes: [proxyRoute('a.test', backend.url)], settings: { workers: 1 } });
  await terminator.serve('file/a', 1, 'a.test');
  return terminator;
}

test('pipelined requests reach the backend one after the other and are answered in order', async () => {
  const asked: string[] = [];
  let open = 0;
  let most = 0;
  await using backend = await rawBackend((socket) =>
    socket.on('data', (chunk) => {
      const path = chunk.toString().split(' ')[1] ?? '';
      asked.push(path);
      most = Math.max(most, (open += 1));
      setImmediate(() => {
        open -= 1;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
      });
    }),
  );
  await using terminator = await served(backend);
  const paths = Array.from({ length: 40 }, (_, i) => `/${i}`);
  const socket = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  const answer = await talk(socket, paths.map(request).join(''), (text) => text.endsWith('/39'));
  assert.deepEqual(asked, paths);
  assert.deepEqual(
    [...answer.matchAll(/\r\n\r\n(\/\d+)/g)].map(([, path]) => path),
    paths,
  );
  assert.equal(most, 1);
});

test('what a client has pipelined ends with its connection', async () => {
  await using backend = await rawBackend((socket) => socket.resume()); // never answers
  await using terminator = await served(backend);
  const impatient = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  impatient.write(request('/').repeat(50));
  await until(() => backend.sockets.length === 1);
  impatient.destroy();
  await until(() => backend.sockets.every(({ destroyed }) => destroyed), { what: 'the end of the backend request' });
  assert.equal(backend.sockets.length, 1);
});

test('a client that pipelines without end is held up, not served in memory; all it sent is answered in the end', async () => {
  let held: (() => void) | undefined;
  await using backend = await rawBackend((socket, index) => {
    let text = '';
    const answer = (): boolean => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      text = '';
      if (index === 0 && held === undefined) held = answer;
      else answer();
    });
  });
  await using terminator = await served(backend);
  const flooding = await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] });
  const large = request('/').replace('\r\n\r\n', `\r\nX-Padding: ${'x'.repeat(20_000)}\r\n\r\n`);
  const count = 1_000;
  let taken = 0;
  for (let i = 0; i < count; i += 1) flooding.write(large, () => (taken += 1));
  let before = -1;
  await until(
    () => {
      const still = taken > 0 && taken === before && held !== undefined;
      before = taken;
      return still;
    },
    { everyMs: 300, what: 'a client that is held up' },
  );
  assert.ok(taken < count / 2, `${taken} requests of 20 kB were taken while the first one waits`);
  held?.();
  let answers = '';
  flooding.on('data', (chunk: Buffer) => (answers += chunk.toString('latin1')));
  await until(() => answers.split('HTTP/1.1 200').length - 1 === count, { what: 'all answers', timeoutMs: 30_000 });
  flooding.destroy();
});
