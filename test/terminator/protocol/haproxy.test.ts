/** PROXY headers as HAProxy writes and reads them. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startHaproxy } from '../../support/haproxy.ts';
import { freePorts } from '../../support/ports.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import { backendAt, proxyRoute, routeTo, startTerminator, type TestTerminator } from '../support/harness.ts';
import { startSiteBackend, type Seen } from './site.ts';

const timeouts = 'timeout connect 5s\n  timeout client 30s\n  timeout server 30s';

suite('HAProxy', { skip: await missingTools('haproxy', 'curl') }, () => {
  const stack = new AsyncDisposableStack();
  let terminator: TestTerminator;
  const ports: Record<'v1' | 'v2' | 'plain' | 'accepts', number> = { v1: 0, v2: 0, plain: 0, accepts: 0 };
  let caFile = '';

  before(async () => {
    [ports.v1 = 0, ports.v2 = 0, ports.plain = 0, ports.accepts = 0] = await freePorts(4);
    const backend = stack.use(await startSiteBackend());
    const behind = (version: 'v1' | 'v2') => backendAt(`http://127.0.0.1:${ports.accepts}`, { proxyProtocol: version });
    terminator = stack.use(
      await startTerminator({
        routes: [
          proxyRoute('in.test', backend.url),
          proxyRoute('v1.test', 'v1'),
          proxyRoute('v2.test', 'v2'),
          routeTo('tcp.test', { kind: 'tcp', backend: 'tcp' }),
        ],
        settings: {
          proxyProtocol: { https: true, http: true },
          trustedProxies: ['127.0.0.1/32'],
          backends: {
            v1: behind('v1'),
            v2: behind('v2'),
            tcp: backendAt(`tcp://127.0.0.1:${ports.accepts}`, { proxyProtocol: 'v2' }),
          },
        },
      }),
    );
    await terminator.serve('file/all', 1, { dnsNames: ['in.test', 'v1.test', 'v2.test', 'tcp.test'] });
    const listen = (name: 'v1' | 'v2' | 'plain', port: number, send: string): string => `
listen ${name}
  bind 127.0.0.1:${ports[name]}
  mode tcp
  server terminator 127.0.0.1:${port} ${send}`;
    const proxy = stack.use(
      await startHaproxy({
        port: ports.accepts,
        files: { 'ca.pem': terminator.ca.certPem },
        config: `defaults
  ${timeouts}
${listen('v1', terminator.httpsPort, 'send-proxy')}
${listen('v2', terminator.httpsPort, 'send-proxy-v2')}
${listen('plain', terminator.httpPort, 'send-proxy-v2')}
frontend accepts
  mode http
  bind 127.0.0.1:${ports.accepts} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src] %[req.hdr(x-forwarded-for)]"
`,
      }),
    );
    caFile = proxy.directory.join('ca.pem');
  });
  after(async () => await stack.disposeAsync());

  async function curl(from: string, via: number, url: string, ...args: string[]): Promise<string> {
    const program = await findTool('curl');
    const to = ['--interface', from, '--connect-to', `::127.0.0.1:${via}`];
    const { stdout, stderr, code } = await program.run(['-sS', '--cacert', caFile, ...to, ...args, url]);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  for (const version of ['v1', 'v2'] as const) {
    test(`what HAProxy says (${version}) is who the client is, over HTTP/1.1 and HTTP/2`, async () => {
      for (const [i, protocol] of ['--http1.1', '--http2'].entries()) {
        const from = `127.0.0.${10 + i}`;
        const { headers } = JSON.parse(await curl(from, ports[version], 'https://in.test/', protocol)) as Seen;
        assert.equal(headers['x-forwarded-for'], from);
        assert.equal(headers['x-forwarded-proto'], 'https');
      }
    });

    test(`HAProxy learns from our header (${version}) who the client is, each client on a connection of its own`, async () => {
      for (const from of ['127.0.0.21', '127.0.0.22', '127.0.0.21']) {
        assert.equal(await curl(from, ports.v2, `https://${version}.test/`), `${from} ${from}`);
      }
    });
  }

  test('over plain http, and inside of a tcp route', async () => {
    const moved = await curl('127.0.0.31', ports.plain, 'http://in.test/a', '-o', '/dev/null', '-w', '%{http_code}');
    assert.equal(moved, '308');
    assert.equal(await curl('127.0.0.32', ports.v1, 'https://tcp.test/', '--http1.1'), '127.0.0.32 ');
  });
});
