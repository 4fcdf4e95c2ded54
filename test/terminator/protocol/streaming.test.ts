/** Nothing waits for more: events, long polls and uploads arrive piece by piece, whatever is spoken on either side. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { until } from '../../support/until.ts';
import { proxyRoute, startTerminator, type TestTerminator } from '../support/harness.ts';

/** A request as the backend has it, with what it answers. */
interface Arrived {
  readonly path: string;
  /** Of the body, so far. */
  readonly received: string[];
  readonly ended: boolean;
  write(text: string): void;
  end(text?: string): void;
  readonly gone: boolean;
}

interface Spoken {
  /** What has arrived of the answer, head and body. */
  readonly status: number | undefined;
  readonly received: string;
  readonly ended: boolean;
  write(text: string): void;
  end(): void;
  destroy(): void;
}

class Backend implements AsyncDisposable {
  readonly arrived: Arrived[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: ReturnType<typeof createServer> | ReturnType<typeof createHttp2Server>;

  constructor(protocol: 'http' | 'h2c') {
    this.#server = protocol === 'http' ? createServer() : createHttp2Server();
    this.#server.on('request', (request: IncomingMessage | Http2ServerRequest, response) => {
      const one = { path: request.url ?? '', received: [] as string[], ended: false, gone: false };
      request.setEncoding('utf8').on('data', (text: string) => one.received.push(text));
      request.once('end', () => (one.ended = true));
      response.once('close', () => (one.gone = true));
      this.arrived.push(
        Object.assign(one, {
          write: (text: string) => void (response as unknown as Duplex).write(text),
          end: (text?: string) => void response.end(text ?? ''),
        }),
      );
      if (!one.path.startsWith('/poll')) {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
      }
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const scheme = this.#server instanceof Object && 'maxHeadersCount' in this.#server ? 'http' : 'h2c';
    return `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

suite('streaming', () => {
  const stack = new AsyncDisposableStack();
  let terminator: TestTerminator;
  const backends = { 'http1.test': new Backend('http'), 'h2c.test': new Backend('h2c') } as const;
  type Host = keyof typeof backends;
  const hosts = Object.keys(backends) as Host[];

  before(async () => {
    const routes = [];
    for (const host of hosts) routes.push(proxyRoute(host, await stack.use(backends[host]).listen()));
    terminator = stack.use(await startTerminator({ routes }));
    await terminator.serve('file/both', 1, { dnsNames: hosts });
  });
  after(async () => await stack.disposeAsync());

  const speak = {
    'HTTP/1.1': (host: Host, method: string, path: string): Spoken => {
      const spoken = { status: undefined as number | undefined, received: '', ended: false };
      const request = httpsRequest({
        host: '127.0.0.1',
        port: terminator.httpsPort,
        servername: host,
        ca: terminator.ca.certPem,
        method,
        path,
        agent: false,
        headers: { host, ...(method === 'POST' ? { 'transfer-encoding': 'chunked' } : {}) },
      });
      request.on('error', () => undefined);
      request.once('response', (response) => {
        spoken.status = response.statusCode;
        collect(response, spoken);
      });
      if (method === 'POST') request.flushHeaders();
      else request.end();
      return Object.assign(spoken, {
        write: (text: string) => void request.write(text),
        end: () => void request.end(),
        destroy: () => void request.destroy(),
      });
    },
    'HTTP/2': (host: Host, method: string, path: string): Spoken => {
      const spoken = { status: undefined as number | undefined, received: '', ended: false };
      const session = connectHttp2(`https://${host}:${terminator.httpsPort}`, {
        ca: terminator.ca.certPem,
        lookup: (
          _host: string,
          _options: object,
          done: (e: null, found: { address: string; family: number }[]) => void,
        ) => done(null, [{ address: '127.0.0.1', family: 4 }]),
      } as object);
      const stream = session.request({ ':method': method, ':path': path }, { endStream: method !== 'POST' });
      stream.on('error', () => undefined);
      stream.once('response', (headers) => (spoken.status = headers[':status']));
      stream.once('close', () => session.close());
      collect(stream, spoken);
      return Object.assign(spoken, {
        write: (text: string) => void stream.write(text),
        end: () => void stream.end(),
        destroy: () => session.destroy(),
      });
    },
  } as const;

  async function begin(client: Spoken, host: Host, path: string): Promise<Arrived> {
    assert.equal(client.ended, false);
    return await until(() => backends[host].arrived.find((one) => one.path === path), { what: `the request ${path}` });
  }

  for (const protocol of ['HTTP/1.1', 'HTTP/2'] as const) {
    for (const host of hosts) {
      const name = `${protocol} to ${host === 'http1.test' ? 'HTTP/1.1' : 'h2c'}`;
      const path = (kind: string): string => `/${kind}/${protocol === 'HTTP/2' ? 2 : 1}`;

      test(`${name}: the head comes before any event, and each event before the next one is sent`, async () => {
        const client = speak[protocol](host, 'GET', path('events'));
        const backend = await begin(client, host, path('events'));
        await until(() => client.status === 200, { what: 'the head alone' });
        assert.equal(client.received, '');
        for (const event of ['one', 'two', 'three']) {
          backend.write(`data: ${event}\n\n`);
          await until(() => client.received.endsWith(`data: ${event}\n\n`), { what: `event ${event}` });
        }
        assert.equal(client.ended, false);
        client.destroy();
        await until(() => backend.gone, { what: 'the end of the request whose client left' });
      });

      test(`${name}: a long poll is answered when there is something to say`, async () => {
        const client = speak[protocol](host, 'GET', path('poll'));
        const backend = await begin(client, host, path('poll'));
        const other = speak[protocol](host, 'GET', path('meanwhile'));
        (await begin(other, host, path('meanwhile'))).end('quick');
        await until(() => other.ended && other.received === 'quick', { what: 'another request meanwhile' });
        assert.equal(client.status, undefined);
        backend.end('now');
        await until(() => client.ended, { what: 'the answer' });
        assert.deepEqual([client.status, client.received], [200, 'now']);
      });

      test(`${name}: a conversation: each piece of the request arrives, and is answered, before the next one is sent`, async () => {
        const client = speak[protocol](host, 'POST', path('talk'));
        const backend = await begin(client, host, path('talk'));
        for (const word of ['hello', 'how are you', 'bye']) {
          client.write(word);
          await until(() => backend.received.at(-1) === word, { what: `${word} at the backend` });
          backend.write(`<${word}>`);
          await until(() => client.received.endsWith(`<${word}>`), { what: `the answer to ${word}` });
        }
        client.end();
        await until(() => backend.ended, { what: 'the end of the request' });
        backend.end('.');
        await until(() => client.ended, { what: 'the end of the answer' });
        assert.equal(client.received, '<hello><how are you><bye>.');
      });
    }
  }

  test('a thousand events in a row arrive in order, to many readers at once', async () => {
    const clients = Array.from({ length: 8 }, (_, i) => speak['HTTP/2']('http1.test', 'GET', `/many/${i}`));
    for (const [i, client] of clients.entries()) {
      const backend = await begin(client, 'http1.test', `/many/${i}`);
      for (let event = 0; event < 1_000; event += 1) backend.write(`data: ${i}-${event}\n\n`);
      backend.end();
    }
    for (const [i, client] of clients.entries()) {
      await until(() => client.ended, { what: `the end of stream ${i}` });
      const expected = Array.from({ length: 1_000 }, (_, event) => `data: ${i}-${event}\n\n`).join('');
      assert.ok(client.received === expected);
    }
  });
});

function collect(body: Readable, into: { received: string; ended: boolean }): void {
  body.setEncoding('utf8');
  body.on('data', (text: string) => (into.received += text));
  body.once('end', () => (into.ended = true));
  body.on('error', () => undefined);
}
