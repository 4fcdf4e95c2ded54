/** A backend that answers requests with anything: HTTP/1.1, HTTP/2 frames, and bytes for tcp routes. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { resetNow } from '../../src/terminator/tcp/reset.ts';
import { Dice, http2Answer, mutated, pieces } from './fuzz-inputs.ts';

export interface HostileBackend extends AsyncDisposable {
  readonly ports: { readonly http1: number; readonly h2c: number; readonly tcp: number };
}

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nx',
  `HTTP/1.1 200 OK\r\n${'X-Many: 1\r\n'.repeat(5_000)}\r\n`,
  `HTTP/1.1 200 OK\r\nX-Long: ${'l'.repeat(100_000)}\r\n\r\n`,
  `HTTP/1.1 200 ${'r'.repeat(70_000)}\r\n\r\n`,
  'HTTP/1.1 99999 OK\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nSet-Cookie: \0\r\n\r\n',
  'ICY 200 OK\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n'.repeat(3_000),
];

export async function startHostileBackend(seed: number): Promise<HostileBackend> {
  const dice = new Dice(seed + 1_000);
  const sockets = new Set<Socket>();
  const start = async (answer: (socket: Socket) => Buffer): Promise<Server> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
      socket.on('data', () => void say(dice, socket, answer(socket)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return server;
  };
  const begun = new WeakSet<Socket>();
  const servers = await Promise.all([
    start(() => {
      const bytes = Buffer.from(dice.one(answers), 'latin1');
      return dice.chance(30) ? bytes : mutated(dice, bytes);
    }),
    start((socket) => {
      const first = !begun.has(socket);
      begun.add(socket);
      return http2Answer(dice, first);
    }),
    start(() => dice.bytes(3_000)),
  ]);
  const [http1 = 0, h2c = 0, tcp = 0] = servers.map((server) => (server.address() as AddressInfo).port);
  return {
    ports: { http1, h2c, tcp },
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map(async (server) => await once(server, 'close')));
    },
  };
}

/** In pieces; then it goes on listening, says nothing more, or goes. */
async function say(dice: Dice, socket: Socket, bytes: Buffer): Promise<void> {
  for (const piece of pieces(dice, bytes)) {
    if (socket.destroyed) return;
    socket.write(piece);
    if (dice.chance(30)) await delay(dice.number(10));
  }
  const how = dice.number(10);
  if (how < 3) socket.end();
  else if (how < 5) resetNow(socket);
  else if (how < 6) socket.pause();
}
