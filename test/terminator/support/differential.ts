/** The same raw request to two proxies, and what each made of it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** What the backend saw; it sends this as its body. */
interface Echo {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
}

/** Flat: what is compared, by a name of its own. */
export type Observation = Readonly<Record<string, string>>;

export interface EchoBackend extends AsyncDisposable {
  readonly port: number;
}

/** Answers with what it saw, or as the first element of the path says. */
export async function startEchoBackend(): Promise<EchoBackend> {
  const server = createServer((request, response) => void respond(request, response));
  server.on('upgrade', (request, socket) => {
    const proof = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    );
    const accept = `Sec-WebSocket-Accept: ${proof.digest('base64')}\r\n`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${accept}\r\n`);
    socket.end(`tunnel of ${request.url}`);
  });
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    void respond(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers word for word, for what node's server would not say. */
const rawAnswers: Readonly<Record<string, string>> = {
  'until-close': 'HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the end',
  'http-1.0': 'HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold',
  'early-hints': 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
  trailers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n',
  named:
    'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=3\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok',
  cookies:
    'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Dup: 1\r\nX-Dup: 2\r\nContent-Length: 2\r\n\r\nok',
  location: 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/internal/x\r\nContent-Length: 0\r\n\r\n',
  reason: 'HTTP/1.1 404 Nothing Like That\r\nContent-Length: 2\r\n\r\nno',
  'no-content': 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n',
  'not-modified': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 5\r\n\r\n',
  'odd-status': 'HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok',
  'with-server':
    'HTTP/1.1 200 OK\r\nServer: backend/1\r\nX-Powered-By: x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok',
  'two-lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  'length-and-chunked':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  garbage: 'SSH-2.0-x\r\n\r\n',
  'cut-length': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
  'cut-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf',
};

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const raw = rawAnswers[request.url?.split('/')[2] ?? ''];
  if (request.url?.startsWith('/raw/') === true && raw !== undefined) {
    request.socket.end(request.method === 'HEAD' ? `${raw.split('\r\n\r\n')[0]}\r\n\r\n` : raw, 'latin1');
    return;
  }
  let body = '';
  for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString('latin1');
  const text = Buffer.from('0123456789');
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range !== null) {
    const [from, to] = [Number(range[1]), Number(range[2])];
    response.writeHead(206, { 'content-range': `bytes ${from}-${to}/10`, 'content-length': to - from + 1 });
    response.end(text.subarray(from, to + 1));
    return;
  }
  const echo: Echo = {
    method: request.method ?? '',
    target: request.url ?? '',
    version: request.httpVersion,
    headers: byName(request.rawHeaders),
    body,
    trailers: byName(request.rawTrailers),
  };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(echo));
}

/** Lower-case names; several values in their order. */
function byName(raw: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    result[name] = result[name] === undefined ? (raw[i + 1] as string) : `${result[name]} | ${raw[i + 1]}`;
  }
  return result;
}

/** Sends the bytes, reads until the proxy closes (or has answered nothing more for a while) and takes the answer apart. */
export async function observe(port: number, request: string): Promise<Observation> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(request, 'latin1');
  return takeApart(await readToEnd(socket), request.startsWith('HEAD '));
}

async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => resolve());
  socket.once('close', () => resolve());
  const limit = AbortSignal.timeout(10_000);
  limit.addEventListener('abort', () => resolve());
  await promise;
  socket.destroy();
  if (limit.aborted) throw new Error(`the connection stayed open: ${text.slice(0, 300)}`);
  return text;
}

function takeApart(answer: string, toHead: boolean): Observation {
  const result: Record<string, string> = {};
  let rest = answer;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const [statusLine = '', ...fields] = rest.slice(0, Math.max(0, end)).split('\r\n');
    const [, status = 'none', reason = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(statusLine) ?? [];
    rest = end < 0 ? '' : rest.slice(end + 4);
    if (status.startsWith('1') && status !== '101') {
      result['informed'] = `${result['informed'] ?? ''}${status} `;
      continue;
    }
    result['status'] = status;
    result['reason'] = reason;
    const raw = fields.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
    const headers = byName(raw);
    for (const [name, value] of Object.entries(headers)) result[`answer ${name}`] = value;
    takeBody(rest, headers, toHead, result);
    return result;
  }
}

function takeBody(
  rest: string,
  headers: Record<string, string>,
  toHead: boolean,
  result: Record<string, string>,
): void {
  let body = rest;
  let complete = true;
  if (headers['transfer-encoding'] === 'chunked' && !toHead) {
    body = '';
    let at = 0;
    for (;;) {
      const line = rest.indexOf('\r\n', at);
      const size = line < 0 ? Number.NaN : Number.parseInt(rest.slice(at, line), 16);
      if (Number.isNaN(size) || line + 2 + size > rest.length) {
        complete = false;
        break;
      }
      if (size === 0) {
        for (const trailer of rest
          .slice(line + 2)
          .split('\r\n')
          .filter((text) => text !== ''))
          result[`trailer ${trailer.split(':')[0]?.toLowerCase()}`] = trailer.slice(trailer.indexOf(':') + 1).trim();
        break;
      }
      body += rest.slice(line + 2, line + 2 + size);
      at = line + 2 + size + 2;
    }
  } else if (headers['content-length'] !== undefined && !toHead && result['status'] !== '304') {
    complete = body.length === Number(headers['content-length']);
  }
  result['complete'] = String(complete);
  if (headers['content-type'] !== 'application/json' || toHead) {
    result['body'] = body;
    return;
  }
  const echo = JSON.parse(body) as Echo;
  for (const [name, value] of Object.entries(echo.headers)) result[`sent ${name}`] = value;
  for (const [name, value] of Object.entries(echo.trailers)) result[`sent trailer ${name}`] = value;
  result['sent'] = `${echo.method} ${echo.target} HTTP/${echo.version}`;
  result['sent body'] = echo.body;
}

/** `name: theirs / ours` for each thing that is not the same. */
export function differences(
  theirs: Observation,
  ours: Observation,
  { ignored = [], only }: { readonly ignored?: readonly string[]; readonly only?: readonly string[] },
): string[] {
  const names = only ?? [...new Set([...Object.keys(theirs), ...Object.keys(ours)])].toSorted();
  return names
    .filter((name) => theirs[name] !== ours[name] && !ignored.includes(name))
    .map((name) => `${name}: ${theirs[name] ?? 'none'} / ${ours[name] ?? 'none'}`);
}
