import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { connect } from 'node:tls';
import { defaultTimeouts } from '../../../src/core/terminator.ts';
import { startNginx } from '../../support/nginx.ts';
import { freePort } from '../../support/ports.ts';
import { missingTools } from '../../support/tools.ts';
import { proxyRoute, startTerminator } from '../support/harness.ts';
import { attempts, differences, end } from './smuggling-corpus.ts';

interface Outcome {
  /** Of all answers, in order. */
  readonly statuses: string;
  /** Requests that reached the backend whole. */
  readonly seen: readonly string[];
}

function idOf({ headers }: IncomingMessage): string {
  return headers.host?.slice(0, 2) ?? '';
}

/** A strict backend that notes what reaches it, by the first label of the Host. */
async function notingBackend() {
  const seen = new Map<string, string[]>();
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('latin1').on('data', (text: string) => (body += text));
    request.on('error', () => response.destroy());
    request.on('end', () => {
      const id = idOf(request);
      seen.set(id, [...(seen.get(id) ?? []), `${request.method} ${request.url} ${body}`]);
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function startBoth() {
  await using stack = new AsyncDisposableStack();
  const backend = stack.use(await notingBackend());
  const timeouts = { ...defaultTimeouts, headerMs: 300, bodyMs: 300, idleMs: 300, drainMs: 500 };
  const routes = [proxyRoute('*.a.test', backend.url)];
  const ours = stack.use(await startTerminator({ routes, settings: { workers: 1, timeouts } }));
  await ours.serve('file/a', 1, '*.a.test');
  const { chainPem, keyPem } = await ours.issue('*.a.test');
  const nginxPort = await freePort();
  stack.use(
    await startNginx({
      port: nginxPort,
      files: { 'chain.pem': chainPem, 'key.pem': keyPem },
      http: `client_header_timeout 300ms; client_body_timeout 300ms; keepalive_timeout 300ms; client_max_body_size 0;
server {
  listen 127.0.0.1:${nginxPort} ssl; ssl_certificate chain.pem; ssl_certificate_key key.pem;
  location / { proxy_pass ${backend.url}; proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Connection ""; }
}`,
    }),
  );
  let asked = 0;
  const ask = async (port: number, text: string): Promise<Outcome> => {
    const id = (asked += 1).toString(36).padStart(2, '_').slice(-2); // as long as the `aa` of the texts
    const socket = connect({ host: '127.0.0.1', port, servername: 'x.a.test', ca: ours.ca.certPem });
    let answers = '';
    socket.on('data', (chunk: Buffer) => (answers += chunk.toString('latin1')));
    socket.on('error', () => undefined); // 'close' follows
    socket.write(`${text}${end}`.replaceAll('aa.a.test', `${id}.a.test`), 'latin1');
    await once(socket, 'close');
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status).join(' ');
    return { statuses, seen: (backend.seen.get(id) ?? []).map((request) => request.replaceAll(`${id}.a`, 'aa.a')) };
  };
  const parts = stack.move();
  return { ours: ours.httpsPort, nginx: nginxPort, ask, [Symbol.asyncDispose]: async () => await parts.disposeAsync() };
}

test(
  'never (§5.13): requests made to be read as two are answered like nginx does, or more strictly',
  { skip: await missingTools('nginx') },
  async (t) => {
    await using both = await startBoth();
    for (const [what, text] of Object.entries(attempts)) {
      await t.test(what, async () => {
        const [ours, nginx] = await Promise.all([both.ask(both.ours, text), both.ask(both.nginx, text)]);
        const difference = differences[what];
        if (difference === undefined) {
          assert.deepEqual(ours, nginx);
          return;
        }
        assert.deepEqual([ours.statuses, nginx.statuses], [difference.ours, difference.nginx], difference.why);
        if (difference.lenient !== true) {
          const kept = ours.seen.filter((request) => nginx.seen.includes(request));
          assert.deepEqual(ours.seen, kept, 'nothing reaches the backend that nginx would not pass on');
        }
      });
    }
    assert.deepEqual(
      Object.keys(differences).filter((what) => attempts[what] === undefined),
      [],
    );
  },
);
