import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import test from 'node:test';
import { startBackend } from '../../../support/backend.ts';
import { until } from '../../../support/until.ts';
import { rawBackend, type RawBackend } from '../../support/raw.ts';
import { backendOf, send, startBackends } from '../support/backends.ts';

const request = { upgrade: 'websocket', target: '/chat', headers: ['Sec-WebSocket-Version', '13'] } as const;

function accept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Switches protocols, then sends `more`; the answer's proof is what `proof` makes of the key. */
function switching(proof: (key: string) => string, more = ''): Promise<RawBackend> {
  return rawBackend((socket) =>
    socket.once('data', (chunk: Buffer) => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(chunk.toString())?.[1] ?? '';
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof(key)}\r\n\r\n${more}`,
      );
      socket.on('data', (data: Buffer) => socket.write(data));
    }),
  );
}

test('an upgrade gives a stream, with the bytes that came along; it counts while it is open', async () => {
  await using backend = await switching(accept, 'first');
  await using backends = startBackends({ app: backendOf([Number(new URL(backend.url).port)]) });
  const answer = await send(backends, 'app', {
    ...request,
    headers: [...request.headers, 'Sec-WebSocket-Key', 'a2V5'],
  });
  assert.equal(answer.status, 101);
  const stream = answer.stream as Duplex;
  const arrived = once(stream, 'data');
  stream.resume();
  const [first] = (await arrived) as [Buffer];
  assert.equal(first.toString(), 'first');
  stream.write('echo');
  const [echo] = (await once(stream, 'data')) as [Buffer];
  assert.equal(echo.toString(), 'echo');
  const counts = (): unknown[] => backends.states().map(({ active, open, state }) => [active, open, state]);
  assert.deepEqual(counts(), [[1, 1, 'up']]);
  stream.destroy();
  await until(() => JSON.stringify(counts()) === JSON.stringify([[0, 0, 'up']]));
});

test('a client without a key (RFC 8441) gets one of ours, and real servers take it', async () => {
  await using backend = await startBackend();
  await using backends = startBackends({ app: backendOf([backend.port]) });
  const answer = await send(backends, 'app', request);
  assert.equal(answer.status, 101);
  const stream = (answer.stream as Duplex).resume();
  stream.write(Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2])); // a masked text frame: hi
  const [frame] = (await once(stream, 'data')) as [Buffer];
  assert.deepEqual([...frame], [0x81, 2, 0x68, 0x69]);
  stream.destroy();
});

test('a 101 that does not answer the key is no answer to this request', async () => {
  await using backend = await switching(() => accept('another'));
  await using backends = startBackends({ app: backendOf([Number(new URL(backend.url).port)]) });
  const answer = await send(backends, 'app', request);
  assert.deepEqual(
    [answer.failure, answer.detail],
    ['backend-bad-answer', 'its 101 does not answer the key of the request'],
  );
});

test('a refused upgrade is an ordinary answer', async () => {
  await using backend = await rawBackend((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')),
  );
  await using backends = startBackends({ app: backendOf([Number(new URL(backend.url).port)]) });
  const answer = await send(backends, 'app', request);
  assert.deepEqual([answer.status, answer.body], [403, 'no']);
});
