import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { until } from '../../support/until.ts';

/** Sends bytes and collects what comes until the other side closes (or `enough` says that it is all). */
export async function talk(socket: Duplex, text: string, enough?: (answer: string) => boolean): Promise<string> {
  let answer = '';
  let over = false;
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.once('close', () => (over = true));
  socket.on('error', () => (over = true));
  socket.write(text, 'latin1');
  await until(() => over || enough?.(answer) === true, { what: `the answer (so far: ${answer.slice(0, 200)})` });
  socket.destroy();
  return answer;
}

export async function connectPlain(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

export interface RawBackend extends AsyncDisposable {
  readonly url: string;
  readonly sockets: Socket[];
}

/** A backend that does with each connection what the test says. */
export async function rawBackend(onConnection: (socket: Socket, index: number) => void): Promise<RawBackend> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket, sockets.length - 1);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      if (server.listening) await once(server, 'close');
    },
  };
}
