/** WebSocket upgrades (RFC 6455 over HTTP/1.1): the handshake is forwarded, then both sockets are joined. */
import { Socket as NetSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BackendCall } from '../upstream/call.ts';
import type { BackendFailure } from '../upstream/connection.ts';
import type { OriginPool } from '../upstream/pool.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import type { Inbound } from './exchange.ts';
import { requestHead, responseHeaders } from './headers.ts';

export interface TunnelOptions {
  readonly backendIdleMs: number;
  onBackendFailure(failure: BackendFailure, detail: string): void;
  onFinished(status: number): void;
}

export interface Client {
  readonly socket: Duplex;
  /** What the client sent behind its request head. */
  readonly head: Buffer;
}

/** Open until one side ends; the other one is ended then. */
export function tunnel(inbound: Inbound, client: Client, pool: OriginPool, options: TunnelOptions): void {
  const { socket } = client;
  if (socket instanceof NetSocket) socket.setTimeout(0); // may be silent for as long as both ends like
  let answered = false;
  const head = requestHead({ ...inbound, host: inbound.authority, body: 'none', upgrade: 'websocket' });
  const finish = (status: number, headers: readonly string[], body = ''): void => {
    answered = true;
    options.onFinished(status);
    socket.write(responseText(status, headers));
    if (body !== '') socket.write(body);
  };
  const call = new BackendCall(
    pool,
    { method: 'GET', head, body: 'none', upgrade: true },
    {
      onReady: () => undefined,
      onDrain: () => undefined,
      onInformational: () => undefined,
      onUpgrade: (response: ResponseHead, backend: Socket, rest: Buffer) => {
        finish(101, [...responseHeaders(response.headers, false), 'Connection', 'Upgrade', 'Upgrade', 'websocket']);
        if (rest.length > 0) socket.write(rest);
        if (client.head.length > 0) backend.write(client.head);
        join(socket, backend);
      },
      // Not upgraded: the answer goes to the client as it is, and the connection ends with it.
      onHead: (response: ResponseHead) => {
        const headers = withoutLength(responseHeaders(response.headers, false));
        finish(response.status, [...headers, 'Connection', 'close']);
      },
      onData: (chunk: Buffer) => {
        if (!socket.write(chunk)) call.pause();
      },
      onEnd: () => void socket.end(),
      onFailure: (failure: BackendFailure, detail: string) => {
        options.onBackendFailure(failure, detail);
        if (answered) socket.destroy();
        else {
          const status = failure === 'backend-timeout' || failure === 'backend-connect-timeout' ? 504 : 502;
          const body = `${status} ${status === 504 ? 'Gateway Timeout' : 'Bad Gateway'}: ${failure}\n`;
          finish(status, ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close'], body);
          socket.end();
        }
      },
    },
    options.backendIdleMs,
  );
  socket.on('drain', () => call.resume());
  socket.on('error', () => socket.destroy());
  socket.once('close', () => call.abort());
  call.start();
}

function join(client: Duplex, backend: Socket): void {
  const ended = (): void => {
    client.destroy();
    backend.destroy();
  };
  backend.on('error', ended);
  backend.once('close', () => (client.writableEnded ? undefined : client.end()));
  client.once('close', ended);
  client.pipe(backend);
  backend.pipe(client);
}

function responseText(status: number, headers: readonly string[]): string {
  const words: Readonly<Record<number, string>> = {
    101: 'Switching Protocols',
    502: 'Bad Gateway',
    504: 'Gateway Timeout',
  };
  let text = `HTTP/1.1 ${status} ${words[status] ?? ''}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/** The body is passed on decoded and ends with the connection. */
function withoutLength(headers: readonly string[]): string[] {
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'content-length');
}
