import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'node:test';
import { connect as connectTls } from 'node:tls';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { listen, type FrontOptions, type ListeningFront } from './served.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dnsNames: ['a.test'] });

/** What behaves alike on a plain socket and under TLS. */
for (const kind of ['plain', 'TLS'] as const) {
  const serve = (options: FrontOptions): Promise<ListeningFront> =>
    listen(options, kind === 'plain' ? undefined : { cert: leaf.fullchainPem, key: leaf.keyPem });
  const open = async (port: number): Promise<Socket> => {
    const socket =
      kind === 'plain'
        ? connect(port, '127.0.0.1')
        : connectTls({ host: '127.0.0.1', port, servername: 'a.test', ca: ca.certPem });
    await once(socket, kind === 'plain' ? 'connect' : 'secureConnect');
    return socket;
  };

  test(`${kind}: an early answer reaches a client that goes on sending, and is not lost in a reset`, async () => {
    await using served = await serve({ limits: { bodyBytes: 1_000 } });
    for (let round = 0; round < 10; round += 1) {
      const socket = await open(served.port);
      let text = '';
      let failed: Error | undefined;
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('error', (error) => (failed = error));
      socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000000\r\n\r\n');
      socket.write(Buffer.alloc(2_000_000, 'x'));
      await until(() => socket.readableEnded || failed !== undefined, { what: 'the end of the answer' });
      assert.match(text, /^HTTP\/1\.1 413 [^]*the request body is too large\n$/, String(failed));
      socket.destroy();
    }
  });

  test(`${kind}: the connection of a client that never closes its side is let go`, async () => {
    await using served = await serve({});
    const socket = await open(served.port);
    socket.pause();
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
    await until(() => served.seen.length === 1);
    assert.ok(served.ticking());
    await until(
      () => {
        served.pass(250);
        return !served.ticking();
      },
      { what: 'the end of the connection' },
    );
    socket.destroy();
  });

  test(`${kind}: megabytes go both ways at once, as they were sent`, async () => {
    await using served = await serve({
      handler: (inbound, outbound) => {
        outbound.onDrain(() => inbound.body?.resume());
        outbound.head(200, '', [], false);
        inbound.body?.read({
          onData: (chunk) => {
            if (!outbound.write(chunk)) inbound.body?.pause();
            outbound.flush();
          },
          onEnd: (trailers) => outbound.end(trailers),
        });
      },
    });
    const socket = await open(served.port);
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.write('POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n');
    const size = 3_000_000;
    const piece = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + (i >> 9)) & 0xff));
    for (const part of [piece.subarray(0, 1), piece.subarray(1, 70_000), piece.subarray(70_000)]) {
      socket.write(`${part.length.toString(16)}\r\n`);
      socket.write(part);
      socket.write('\r\n');
    }
    socket.write('0\r\nX-Sum: 1\r\n\r\n');
    const end = Buffer.from('\r\n0\r\nX-Sum: 1\r\n\r\n');
    await until(() => Buffer.concat(received.slice(-3)).subarray(-end.length).equals(end), {
      what: 'the whole answer',
    });
    assert.ok(dechunked(Buffer.concat(received)).equals(piece));
    socket.destroy();
  });
}

/** The body of a chunked answer, read in the plainest way. */
function dechunked(answer: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = answer.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const line = answer.indexOf('\r\n', at);
    const size = Number.parseInt(answer.toString('latin1', at, line), 16);
    if (size === 0) return Buffer.concat(parts);
    parts.push(answer.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
