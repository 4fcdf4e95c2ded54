/** A whole terminator with two workers, and a backend that knows the less usual parts of HTTP. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { tempDir, type TempDir } from '../../support/tempdir.ts';
import { proxyRoute, startTerminator, type TerminatorOptions, type TestTerminator } from '../support/harness.ts';

export const fileBytes = 1_000_000;
/** What `/file` is. */
export const file = Buffer.from(Array.from({ length: fileBytes }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

export function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** What the backend says about a request, unless its path is one of the special ones. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly sha256: string;
}

type Incoming = IncomingMessage | Http2ServerRequest;

export interface SiteBackend extends AsyncDisposable {
  readonly url: string;
  /** Requests for `/open…` in their order; the test writes their answers. */
  readonly open: { readonly url: string; readonly response: ServerResponse }[];
  /** Requests that came with `Expect: 100-continue`. */
  readonly expected: string[];
}

/**
 *   /file          1 MB with an ETag, whole or in one range, HEAD too
 *   /trailers      an answer with the trailer X-Sum
 *   /refuse        403 before the body is read, also instead of 100
 *   /open…         head at once, the rest is the test's
 *   anything else  what was seen, as JSON
 */
export async function startSiteBackend(protocol: 'http' | 'h2c' = 'http'): Promise<SiteBackend> {
  const open: SiteBackend['open'] = [];
  const expected: string[] = [];
  const answer = (request: Incoming, response: ServerResponse): void => {
    respond(request, response, open).catch(() => response.destroy());
  };
  const server = protocol === 'http' ? createServer() : createHttp2Server();
  // An HTTP/2 response has all that is used here of one of HTTP/1.1.
  server.on('request', answer as (request: unknown, response: unknown) => void);
  server.on('checkContinue', (request: Incoming, response: ServerResponse): void => {
    expected.push(request.url ?? '');
    if (request.url !== '/refuse') response.writeContinue();
    answer(request, response);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${protocol}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open,
    expected,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

async function respond(request: Incoming, response: ServerResponse, open: SiteBackend['open']): Promise<void> {
  const url = request.url ?? '/';
  if (url === '/file') {
    sendFile(request, response);
    return;
  }
  if (url === '/refuse') {
    response.writeHead(403, { 'content-type': 'text/plain', connection: 'close' });
    response.end('no\n');
    return;
  }
  if (url.startsWith('/open')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    open.push({ url, response });
    return;
  }
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  const seen: Seen = {
    method: request.method ?? '',
    url,
    httpVersion: request.httpVersion,
    headers: request.headers as Seen['headers'],
    trailers: request.trailers as Seen['trailers'],
    bytes,
    sha256: hash.digest('hex'),
  };
  const body = JSON.stringify(seen);
  if (url === '/trailers') {
    response.writeHead(200, { 'content-type': 'application/json', trailer: 'X-Sum' });
    response.write(body);
    response.addTrailers({ 'X-Sum': sha256(body) });
    response.end();
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function sendFile(request: Incoming, response: ServerResponse): void {
  const common = { etag: `"${sha256(file).slice(0, 16)}"`, 'accept-ranges': 'bytes', 'content-type': 'text/plain' };
  const wanted = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  if (wanted === null) {
    response.writeHead(200, { ...common, 'content-length': fileBytes });
    response.end(request.method === 'HEAD' ? undefined : file);
    return;
  }
  const [, first = '', last = ''] = wanted;
  const from = first === '' ? fileBytes - Number(last) : Number(first);
  const to = first === '' || last === '' ? fileBytes - 1 : Math.min(Number(last), fileBytes - 1);
  if (from > to) {
    response.writeHead(416, { ...common, 'content-range': `bytes */${fileBytes}`, 'content-length': 0 });
    response.end();
    return;
  }
  const range = { 'content-range': `bytes ${from}-${to}/${fileBytes}`, 'content-length': to - from + 1 };
  response.writeHead(206, { ...common, ...range });
  response.end(file.subarray(from, to + 1));
}

export interface ProtocolSite extends AsyncDisposable {
  readonly terminator: TestTerminator;
  /** `one.test` leads to this one over HTTP/1.1, `two.test` to the other one over h2c. */
  readonly http: SiteBackend;
  readonly h2c: SiteBackend;
  readonly directory: TempDir;
  /** PEM file of what clients trust. */
  readonly caFile: string;
}

export async function startProtocolSite(options: TerminatorOptions = {}): Promise<ProtocolSite> {
  await using stack = new AsyncDisposableStack();
  const http = stack.use(await startSiteBackend('http'));
  const h2c = stack.use(await startSiteBackend('h2c'));
  const routes = [proxyRoute('one.test', http.url), proxyRoute('two.test', h2c.url), ...(options.routes ?? [])];
  const terminator = stack.use(await startTerminator({ ...options, routes }));
  await terminator.serve('file/one', 1, 'one.test');
  await terminator.serve('file/two', 1, 'two.test');
  const directory = stack.use(await tempDir('protocol-'));
  const caFile = directory.join('ca.pem');
  await writeFile(caFile, terminator.ca.certPem);
  const parts = stack.move();
  return {
    terminator,
    http,
    h2c,
    directory,
    caFile,
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
