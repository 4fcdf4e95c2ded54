/** Clients as they should not be. Each of them is let go, or served, as the rules say; what is not, rejects. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { resetNow } from '../../src/terminator/tcp/reset.ts';

export interface Target {
  readonly port: number;
  readonly context: SecureContext;
}

export function targetAt(port: number, ca: string): Target {
  return { port, context: createSecureContext({ ca }) };
}

const name = 'c0.test';
const streamed = '/stream?chunks=20&bytes=5000&ms=5';
const answerDeadlineMs = 30_000;

async function secure({ port, context }: Target, protocol = 'http/1.1'): Promise<TLSSocket> {
  const options = { host: '127.0.0.1', port, servername: name, secureContext: context };
  const socket = connectTls({ ...options, ALPNProtocols: [protocol] });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything until the other side ends the connection. */
async function rest(socket: TLSSocket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const closed = once(socket, 'close');
  const patience = new AbortController();
  const late = delay(answerDeadlineMs, 'late' as const, { signal: patience.signal }).catch(() => 'in time' as const);
  const first = await Promise.race([closed, late]);
  patience.abort();
  socket.destroy();
  assert.notEqual(first, 'late', `the connection is still open; it said ${text.slice(0, 200)}`);
  return text;
}

function post(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${name}\r\nContent-Length: ${length}\r\n\r\n`;
}

const kinds: readonly ((target: Target, number: number) => Promise<void>)[] = [
  async function resetsInTheMiddle(target, number) {
    const socket = await secure(target);
    const head = post(streamed, 10);
    socket.write([head.slice(0, 30), head, `${head}0123456789`][number % 3] ?? '');
    if (number % 3 === 2) await once(socket, 'data');
    socket.destroy();
  },
  async function leavesDuringTheHandshake({ port }, number) {
    const socket = connectTcp({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    if (number % 2 === 0) socket.write(Buffer.from([22, 3, 1, 1, 0, 1, 0]));
    await delay(number % 50);
    resetNow(socket);
  },
  async function sendsItsHeadByteByByte(target) {
    const socket = await secure(target);
    const head = `GET / HTTP/1.1\r\nHost: ${name}\r\nX-Slow: `;
    const answer = rest(socket);
    for (let at = 0; socket.writable; at += 1) {
      socket.write(head[at] ?? 'x');
      await delay(100);
    }
    assert.match(await answer, /^HTTP\/1\.1 408 /);
  },
  async function stopsInItsBody(target) {
    const socket = await secure(target);
    socket.write(`${post('/up', 1_000_000)}only this`);
    assert.match(await rest(socket), /^HTTP\/1\.1 408 /);
  },
  async function readsSlowly(target) {
    const socket = await secure(target);
    const bytes = 1_500_000;
    socket.write(`GET /bytes?n=${bytes} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    let received = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= bytes) return;
      socket.pause();
      setTimeout(() => socket.resume(), 10);
    });
    await once(socket, 'close', { signal: AbortSignal.timeout(answerDeadlineMs) });
    assert.ok(received > bytes, `${received} bytes`);
  },
  async function resetsItsStreams(target, number) {
    const socket = await secure(target, 'h2');
    const session = connectHttp2(`https://${name}`, { createConnection: () => socket });
    session.on('error', () => undefined);
    const open = Array.from({ length: 10 }, (_, i) => {
      const upload = i % 3 === 0;
      const head = { ':path': upload ? '/up' : streamed, ':method': upload ? 'POST' : 'GET', ':authority': name };
      const stream = session.request(head, { endStream: !upload });
      stream.on('error', () => undefined);
      if (upload) stream.write(Buffer.alloc(10_000));
      return stream;
    });
    await once(open[1]!, 'response');
    for (const stream of open) stream.close(constants.NGHTTP2_CANCEL);
    if (number % 2 === 0) {
      const last = session.request({ ':path': '/', ':authority': name });
      const [headers] = (await once(last, 'response')) as [{ ':status'?: number }];
      assert.equal(headers[':status'], 200, 'the connection goes on');
      last.resume();
      await once(last, 'close');
      session.close();
    } else session.destroy();
  },
  async function dropsItsWebSocket(target, number) {
    const socket = await secure(target);
    const webSocket = new WebSocket(`ws://${name}/`, { createConnection: () => socket });
    webSocket.on('error', () => undefined);
    await once(webSocket, 'open');
    for (let i = 0; i < 20; i += 1) webSocket.send(Buffer.alloc(2_000));
    if (number % 2 === 0) await once(webSocket, 'message');
    socket.destroy();
  },
  async function meetsABackendThatBreaksOff(target, number) {
    const socket = await secure(target);
    const path = number % 2 === 0 ? '/cut?n=20000' : '/reset';
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`);
    const answer = await rest(socket);
    assert.match(answer, number % 2 === 0 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 502 /);
  },
];

/** The `number`th rude client. */
export async function beRude(target: Target, number: number): Promise<void> {
  const kind = kinds[number % kinds.length] as (typeof kinds)[number];
  try {
    await kind(target, Math.floor(number / kinds.length));
  } catch (error) {
    throw new Error(`client ${number}, which ${kind.name}: ${String(error)}`, { cause: error });
  }
}
