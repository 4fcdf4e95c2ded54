import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { answer, type Outbound } from '../../../src/terminator/proxy/exchange.ts';
import { createHttp1 } from '../../../src/terminator/http1/http1.ts';
import { until } from '../../support/until.ts';

test('a connection is closed as quiet only when it has had no request since the last look', async () => {
  await using stack = new AsyncDisposableStack();
  const waiting: Outbound[] = [];
  let draining = false;
  const http1 = createHttp1({
    headerMs: 10_000,
    idleMs: 10_000,
    info: () => ({ protocol: 'http', address: '' }),
    handle: (inbound, outbound) => {
      inbound.body.resume();
      if (inbound.target === '/wait') waiting.push(outbound);
      else answer(outbound, 200, 'ok\n');
    },
    upgrade: (_inbound, socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    draining: () => draining,
    onFinished: () => undefined,
  });
  stack.defer(() => http1.closeAllConnections());
  stack.defer(() => void http1.close());
  const tcp = createServer((socket) => http1.emit('connection', socket)).listen(0, '127.0.0.1');
  stack.defer(() => void tcp.close());
  await once(tcp, 'listening');
  const open = async (): Promise<Client> => {
    const socket = connect((tcp.address() as AddressInfo).port, '127.0.0.1');
    stack.defer(() => void socket.destroy());
    await once(socket, 'connect');
    return new Client(socket);
  };

  const [idle, busy, waits, tunnel] = [await open(), await open(), await open(), await open()];
  await idle.ask('/');
  await busy.ask('/');
  await waits.ask('/');
  waits.send('GET /wait HTTP/1.1\r\nhost: a\r\n\r\n');
  await until(() => waiting.length === 1, { what: 'the open request' });
  await tunnel.ask('/');
  tunnel.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  await until(() => tunnel.text.includes('101'), { what: 'the upgrade' });

  http1.closeQuiet();
  await busy.ask('/');
  http1.closeQuiet();
  await until(() => idle.closed, { what: 'the end of the idle connection' });
  assert.deepEqual([busy.closed, waits.closed, tunnel.closed], [false, false, false]);

  draining = true;
  if (waiting[0] !== undefined) answer(waiting[0], 200, 'late\n');
  await until(() => waits.closed, { what: 'the end of the connection after its answer' });
  assert.match(waits.text, /connection: close[^]*late/i);
  assert.match(await busy.ask('/'), /connection: close/i, 'a request that comes while draining is answered');
  http1.closeQuiet();
  http1.closeQuiet();
  assert.equal(tunnel.closed, false, 'a tunnel is no idle connection');
});

class Client {
  text = '';
  closed = false;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => (this.text += text));
    socket.once('close', () => (this.closed = true));
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** One answer, complete. */
  async ask(target: string): Promise<string> {
    this.text = '';
    this.send(`GET ${target} HTTP/1.1\r\nhost: a\r\n\r\n`);
    return await until(() => this.text.endsWith('ok\n') && this.text, { what: `the answer to ${target}` });
  }
}
