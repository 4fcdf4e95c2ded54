import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { connect, type ApiClient } from '../../src/cli/client.ts';
import { readEvents } from '../../src/cli/sse.ts';
import { tempDir } from '../support/tempdir.ts';

const signal = new AbortController().signal;

/** A server on a socket of its own that answers what the test says. */
async function scripted(listener: RequestListener): Promise<{ api: ApiClient; socketPath: string } & AsyncDisposable> {
  const dir = await tempDir();
  const socketPath = dir.join('admin.sock');
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    api: connect({ socketPath }),
    socketPath,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dir[Symbol.asyncDispose]();
    },
  };
}

suite('the API client', () => {
  test('says how to start the control process when nothing answers', async () => {
    await using dir = await tempDir();
    const socketPath = dir.join('run', 'admin.sock');
    const message = `No control process answers at ${socketPath}; start it with "certplane run", or say where it runs with --config or --data-dir.`;
    await assert.rejects(connect({ socketPath }).get('/session', { signal }), {
      code: 'process.control-unreachable',
      message,
    });
    const url = new URL('http://127.0.0.1:1');
    await assert.rejects(connect({ url, token: 't' }).get('/session', { signal }), {
      code: 'process.control-unreachable',
      message: 'No control process answers at http://127.0.0.1:1 (ECONNREFUSED); check --url, and that it runs there.',
    });
  });

  test('turns problem documents into errors with their code and retry time', async () => {
    const problem = {
      type: 'x',
      title: 't',
      status: 429,
      detail: 'Wait a little.',
      code: 'api.too-many-attempts',
      retryAt: '2026-01-01T00:00:00Z',
    };
    await using server = await scripted((_request, response) => {
      response.writeHead(429, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    });
    await assert.rejects(server.api.get('/session', { signal }), {
      code: 'api.too-many-attempts',
      message: 'Wait a little.',
      retryAt: Date.parse('2026-01-01T00:00:00Z'),
    });
    problem.code = 'something.newer';
    await assert.rejects(server.api.get('/session', { signal }), {
      code: 'internal.unexpected',
      message: 'Wait a little. (something.newer)',
    });
  });

  test('says that what answers is no Certplane when it is not', async () => {
    const answers: [number, string][] = [
      [200, '<html>hello</html>'],
      [502, 'Bad Gateway'],
      [302, ''],
      [500, '{"code":"oops"}'],
      [404, 'null'],
    ];
    for (const [status, body] of answers) {
      await using server = await scripted((_request, response) => void response.writeHead(status).end(body));
      await assert.rejects(server.api.get('/session', { signal }), {
        code: 'api.not-found',
        message: `What answers at ${server.socketPath} is not a Certplane API (HTTP status ${status}).`,
      });
    }
  });

  test('gives up on an answer that does not come, or never ends', async () => {
    await using silent = await scripted(() => undefined);
    await assert.rejects(silent.api.get('/session', { signal, timeoutMs: 50 }), {
      code: 'api.unavailable',
      message: /did not answer in time/,
    });
    await using endless = await scripted((_request, response) => void response.writeHead(200).write('{'));
    await assert.rejects(endless.api.get('/session', { signal, timeoutMs: 50 }), { code: 'api.unavailable' });
    const chunk = Buffer.alloc(1_048_576, 0x20);
    await using flood = await scripted((_request, response) => {
      const write = (): void => {
        while (response.write(chunk));
      };
      response.on('drain', write);
      write();
    });
    await assert.rejects(flood.api.get('/session', { signal }), {
      code: 'api.invalid-request',
      message: /is longer than 67108864 bytes; ask for less\.$/,
    });
  });

  test('is stopped by its signal, and says only that', async () => {
    const controller = new AbortController();
    await using silent = await scripted(() => controller.abort());
    await assert.rejects(silent.api.post('/reload', {}, { signal: controller.signal }), { code: 'process.aborted' });
  });

  test('reports a connection that is cut in the middle', async () => {
    await using cut = await scripted((_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{');
      response.destroy();
    });
    await assert.rejects(cut.api.get('/session', { signal }), { code: 'process.control-unreachable' });
  });

  test('never (§5.9): sends the token to nobody but the server it was given for', async () => {
    const seen: (string | undefined)[] = [];
    await using server = await scripted((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    });
    await assert.rejects(server.api.get('/session', { signal }), { code: 'api.not-found' });
    assert.deepEqual(seen, [undefined], 'no redirect is followed, and the socket needs no token');
  });
});

async function read(chunks: readonly Uint8Array[]): Promise<{ event: string; data: string }[]> {
  return await Array.fromAsync(readEvents(ReadableStream.from(chunks) as AsyncIterable<Uint8Array>));
}

suite('server-sent events', () => {
  test('are the same however the bytes are cut', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '🔒', ':', ' ', '"') });
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ event: fc.stringMatching(/^[a-z]{1,8}$/), data: fc.array(line, { minLength: 1, maxLength: 3 }) }),
        ),
        fc.constantFrom('\n', '\r\n'),
        fc.array(fc.nat(7)),
        async (events, newline, cuts) => {
          const text = events
            .map(({ event, data }) =>
              [`: comment`, `event: ${event}`, 'id: 1', ...data.map((one) => `data: ${one}`), '', ''].join(newline),
            )
            .join('');
          const bytes = Buffer.from(text);
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            chunks.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          assert.deepEqual(
            await read(chunks),
            events.map(({ event, data }) => ({ event, data: data.join('\n') })),
          );
        },
      ),
    );
  });

  test('that never end are refused', async () => {
    const chunk = Buffer.alloc(300_000, 0x61);
    await assert.rejects(read([chunk, chunk, chunk, chunk]), RangeError);
  });
});
