import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';

export interface BackendOptions {
  port?: number;
  /** Serves https instead of http. */
  tls?: {
    certPem: string;
    keyPem: string;
    /** Demands a client certificate of this CA. */
    clientCaPem?: string;
  };
  /** Ends each connection with the answer to this many requests. */
  requestsPerConnection?: number;
  /** Sent back as `backend`, to tell several apart. */
  id?: string;
}

/** What the echo answer says about the request it saw. */
export interface Echo {
  backend: string;
  method: string;
  url: string;
  httpVersion: string;
  headers: Record<string, string | string[]>;
  bodyBytes: number;
  bodySha256: string;
}

export interface Backend extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** So far, of all paths; WebSocket upgrades count as requests. */
  readonly requests: number;
  readonly connections: number;
  readonly openConnections: number;
  /** Serial numbers of the client certificates shown, one for each TLS connection that was made, in their order. */
  readonly clientSerials: readonly string[];
  /** Resets every open connection. */
  resetConnections(): void;
}

/**
 * An http backend with manners that tests choose by path; a WebSocket on any path is echoed.
 *   /slow?ms=500            waits, then echoes        /stream?chunks=5&bytes=1024&ms=10   sends in pieces
 *   /hang                   never answers             /bytes?n=1000000                    that many bytes
 *   /reset                  resets the connection     /cut?n=100                          promises more than it sends
 *   /status/503             that status               anything else                       echoes the request as JSON
 */
export async function startBackend(options: BackendOptions = {}): Promise<Backend> {
  const { port = 0, tls, id = 'backend', requestsPerConnection = 0 } = options;
  let requests = 0;
  let connections = 0;
  const sockets = new Set<Socket>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    requests += 1;
    respond(id, request, response).catch(() => response.destroy());
  };
  const server: Server = tls
    ? createHttpsServer({ cert: tls.certPem, key: tls.keyPem, ...clientsOf(tls.clientCaPem) }, answer)
    : createHttpServer(answer);
  // Longer than any test, so that a proxy that reuses a connection never meets one the backend just closed.
  server.keepAliveTimeout = 600_000;
  server.maxRequestsPerSocket = requestsPerConnection;
  const clientSerials: string[] = [];
  server.on('secureConnection', (socket: TLSSocket) => {
    const serial = socket.getPeerX509Certificate()?.serialNumber;
    if (serial !== undefined) clientSerials.push(serial);
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  const webSockets = new WebSocketServer({ server });
  webSockets.on('connection', (socket) => {
    requests += 1;
    socket.on('error', () => {});
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const bound = (server.address() as AddressInfo).port;
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`,
    port: bound,
    get requests() {
      return requests;
    },
    get connections() {
      return connections;
    },
    get openConnections() {
      return sockets.size;
    },
    clientSerials,
    resetConnections: reset,
    [Symbol.asyncDispose]: async () => {
      if (!server.listening) return;
      webSockets.close();
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function clientsOf(ca: string | undefined): { ca?: string; requestCert?: boolean } {
  return ca === undefined ? {} : { ca, requestCert: true };
}

async function respond(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://backend');
  const number = (name: string, fallback: number): number => Number(url.searchParams.get(name) ?? fallback);
  switch (url.pathname.split('/')[1]) {
    case 'hang':
      return;
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'cut':
      response.writeHead(200, { 'content-length': number('n', 100) * 2 });
      response.write(Buffer.alloc(number('n', 100), 'c'));
      setImmediate(() => request.socket.destroy());
      return;
    case 'bytes':
      response.end(Buffer.alloc(number('n', 1_000_000), 'b'));
      return;
    case 'status':
      response.writeHead(Number(url.pathname.split('/')[2] ?? 200)).end();
      return;
    case 'stream':
      for (let chunk = 0; chunk < number('chunks', 5); chunk += 1) {
        response.write(Buffer.alloc(number('bytes', 1024), 's'));
        await delay(number('ms', 10));
      }
      response.end();
      return;
    case 'slow':
      await delay(number('ms', 500), undefined, { ref: false }); // a client that left needs nobody to wait
      break;
    default:
      break;
  }
  const hash = createHash('sha256');
  let bodyBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bodyBytes += chunk.length;
    hash.update(chunk);
  }
  const echo: Echo = {
    backend: id,
    method: request.method ?? '',
    url: request.url ?? '',
    httpVersion: request.httpVersion,
    headers: request.headers as Echo['headers'],
    bodyBytes,
    bodySha256: hash.digest('hex'),
  };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(echo));
}
