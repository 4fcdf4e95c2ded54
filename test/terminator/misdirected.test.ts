/** A connection is for the hosts of its policy alone: what its handshake has settled does not hold for others. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import test from 'node:test';
import { tlsPresets, type TlsPolicy } from '../../src/core/tls-policy.ts';
import { startBackend } from '../support/backend.ts';
import { tempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';
import { proxyRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { talk } from './support/raw.ts';

interface Site extends AsyncDisposable {
  readonly terminator: TestTerminator;
  /** Requests that reached the backend of `private.test`. */
  readonly seen: () => number;
  readonly client: { readonly cert: string; readonly key: string };
}

/** `open.test` for everybody and `private.test` for clients with a certificate, under one certificate of our own. */
async function startSite(): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const clients = await TestCa.create('Clients');
  const leaf = await clients.issue({ commonName: 'zoe', client: true });
  const directory = stack.use(await tempDir());
  const caFile = directory.join('clients.pem');
  await writeFile(caFile, clients.certPem);
  const open = stack.use(await startBackend({ id: 'open' }));
  const closed = stack.use(await startBackend({ id: 'private' }));
  const policy: TlsPolicy = {
    ...tlsPresets.intermediate,
    clientCertificates: { mode: 'require', caFile, depth: 1, subjects: [] },
  };
  const routes = [
    proxyRoute('open.test', open.url),
    { ...proxyRoute('private.test', closed.url), http: 'serve' as const },
  ];
  const settings = { workers: 1, hosts: [{ names: ['private.test'], tls: policy }] };
  const terminator = stack.use(await startTerminator({ routes, settings }));
  await terminator.serve('file/both', 1, { dnsNames: ['open.test', 'private.test'] });
  const parts = stack.move();
  return {
    terminator,
    seen: () => closed.requests,
    client: { cert: leaf.certPem, key: leaf.keyPem },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

/** Requests on one connection made for `serverName`; the answers as they came. */
async function ask(
  site: Site,
  serverName: string,
  hosts: readonly string[],
  tls: ConnectionOptions = {},
): Promise<string> {
  const client = await site.terminator.handshake(serverName, { ALPNProtocols: ['http/1.1'], ...tls });
  const requests = hosts.map((host, i) => {
    const last = i === hosts.length - 1 ? 'Connection: close\r\n' : '';
    return `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Client-Cert-Verified: success\r\n${last}\r\n`;
  });
  return await talk(client, requests.join(''));
}

async function overHttp2(site: Site, serverName: string, tls: ConnectionOptions = {}): Promise<ClientHttp2Session> {
  const connection = await site.terminator.handshake(serverName, { ALPNProtocols: ['h2'], ...tls });
  const session = connectHttp2(`https://${serverName}`, { createConnection: () => connection });
  await once(session, 'remoteSettings');
  return session;
}

async function status(session: ClientHttp2Session, host: string): Promise<number> {
  const stream = session.request({ ':path': '/', ':authority': host, 'x-client-cert-verified': 'success' });
  const [headers] = (await once(stream, 'response')) as [Record<string, number>];
  stream.resume();
  await once(stream, 'close');
  return headers[':status'] ?? 0;
}

test('never (§5.13): without a client certificate, the host that asks for one is reached over the connection of another', async () => {
  await using site = await startSite();
  const answers = await ask(site, 'open.test', ['open.test', 'private.test']);
  assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )\d+/g), ['200', '421']);
  const session = await overHttp2(site, 'open.test');
  assert.equal(await status(session, 'open.test'), 200);
  assert.equal(await status(session, 'private.test'), 421);
  assert.equal(await status(session, 'open.test'), 200, 'the connection is still good for its own host');
  session.destroy();
  // Nor over the plain listener, although its route is served there.
  const plain = await site.terminator.plain('private.test', '/');
  assert.equal(plain.status, 308);
  assert.equal(site.seen(), 0);
});

test('with its client certificate the host is reached, its backend learns who asks, and no other host does', async () => {
  await using site = await startSite();
  const answers = await ask(site, 'private.test', ['private.test', 'open.test'], site.client);
  assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )\d+/g), ['200', '421']);
  assert.match(answers, /"x-client-cert-verified":"success","x-client-cert-subject":"CN=zoe"/);
  assert.match(answers, /"client-cert":":[A-Za-z0-9+/]+=*:"/);
  const session = await overHttp2(site, 'private.test', site.client);
  assert.equal(await status(session, 'private.test'), 200);
  assert.equal(await status(session, 'open.test'), 421);
  session.destroy();
});
