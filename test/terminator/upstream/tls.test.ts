import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { BackendTls } from '../../../src/core/backend.ts';
import type { Bundle } from '../../../src/core/bundle.ts';
import { startBackend } from '../../support/backend.ts';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa, type LeafOptions } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { backendOf, send, startBackends } from './support/backends.ts';

const verified: BackendTls = { verify: true, caFiles: ['/ca.pem'], minVersion: 'TLSv1.2' };

interface SecureBackend extends AsyncDisposable {
  readonly port: number;
  /** Of each connection. */
  readonly sockets: TLSSocket[];
}

/** Says the server name, whether the session was resumed, and the name on the client's certificate. */
async function secure(
  ca: TestCa,
  leaf: LeafOptions,
  options: ServerOptions = {},
  path?: string,
): Promise<SecureBackend> {
  const { fullchainPem, keyPem } = await ca.issue(leaf);
  const sockets: TLSSocket[] = [];
  const server = createServer({ cert: fullchainPem, key: keyPem, ...options }, (request, response) => {
    const socket = request.socket as TLSSocket;
    const subject = socket.getPeerCertificate().subject as { CN?: string } | undefined;
    const said = [String(socket.servername), String(socket.isSessionReused()), subject?.CN ?? '-'];
    if (request.url === '/close') response.setHeader('connection', 'close');
    response.end(said.join(' '));
  });
  server.on('secureConnection', (socket: TLSSocket) => sockets.push(socket));
  server.on('tlsClientError', () => undefined);
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  return {
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    sockets,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const toLocalhost = (port: number): { host: string; port: number; weight: number } => ({
  host: 'localhost',
  port,
  weight: 1,
});
const lookup = (): Promise<string[]> => Promise.resolve(['127.0.0.1']);

test('a backend is verified against the CA and the name that the settings say', async () => {
  const ca = await TestCa.create();
  await using backend = await secure(ca, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
  await using other = await secure(ca, { dnsNames: ['app.internal'] });
  await using backends = startBackends(
    {
      name: backendOf([toLocalhost(backend.port)], { tls: verified }),
      address: backendOf([backend.port], { tls: verified }),
      wrong: backendOf([toLocalhost(other.port)], { tls: verified }),
      wrongAddress: backendOf([other.port], { tls: verified }),
      named: backendOf([other.port], { tls: { ...verified, serverName: 'app.internal' } }),
      unverified: backendOf([other.port], { tls: { ...verified, verify: false, caFiles: [] } }),
    },
    { files: { '/ca.pem': ca.certPem }, lookup },
  );
  assert.equal((await send(backends, 'name')).body, 'localhost false -');
  assert.equal((await send(backends, 'address')).body, 'false false -', 'no server name for an address');
  assert.equal((await send(backends, 'named')).body, 'app.internal false -');
  assert.equal((await send(backends, 'unverified')).body, 'false false -');
  for (const name of ['wrong', 'wrongAddress']) {
    const answer = await send(backends, name);
    assert.equal(answer.failure, 'backend-tls');
    assert.match(answer.detail, /ERR_TLS_CERT_ALTNAME_INVALID/);
  }
});

test('another CA, no CA of the system, an expired certificate and an old version are refused', async () => {
  const [ca, strange] = [await TestCa.create('One'), await TestCa.create('Other')];
  await using backend = await secure(ca, { ipAddresses: ['127.0.0.1'] });
  const past = { notBefore: new Date(Date.now() - 2e9), notAfter: new Date(Date.now() - 1e9) };
  await using expired = await secure(ca, { ipAddresses: ['127.0.0.1'], ...past });
  await using old = await secure(ca, { ipAddresses: ['127.0.0.1'] }, { maxVersion: 'TLSv1.2' });
  await using backends = startBackends(
    {
      other: backendOf([backend.port], { tls: { ...verified, caFiles: ['/strange.pem'] } }),
      system: backendOf([backend.port], { tls: { ...verified, caFiles: [] } }),
      expired: backendOf([expired.port], { tls: verified }),
      old: backendOf([old.port], { tls: { ...verified, minVersion: 'TLSv1.3' } }),
      oldAccepted: backendOf([old.port], { tls: verified }),
    },
    { files: { '/ca.pem': ca.certPem, '/strange.pem': strange.certPem } },
  );
  assert.match((await send(backends, 'other')).detail, /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY/);
  assert.match((await send(backends, 'system')).detail, /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY/);
  assert.match((await send(backends, 'expired')).detail, /CERT_HAS_EXPIRED/);
  const tooOld = await send(backends, 'old');
  assert.equal(tooOld.failure, 'backend-tls');
  assert.equal((await send(backends, 'oldAccepted')).status, 200);
});

test('nothing is sent while a CA file cannot be read or used, or a unix socket has no name', async () => {
  await using directory = await tempDir();
  const ca = await TestCa.create();
  await using backend = await secure(ca, { dnsNames: ['app.internal'] }, {}, directory.join('app.sock'));
  const endpoint = { unixPath: directory.join('app.sock'), weight: 1 };
  await using backends = startBackends(
    {
      missing: backendOf([endpoint], { tls: { ...verified, serverName: 'app.internal', caFiles: ['/gone.pem'] } }),
      broken: backendOf([endpoint], { tls: { ...verified, serverName: 'app.internal', caFiles: ['/broken.pem'] } }),
      nameless: backendOf([endpoint], { tls: verified }),
      named: backendOf([endpoint], { tls: { ...verified, serverName: 'app.internal' } }),
    },
    {
      files: {
        '/ca.pem': ca.certPem,
        '/broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      },
    },
  );
  const missing = await send(backends, 'missing');
  assert.deepEqual([missing.failure, missing.detail], ['backend-tls', 'the CA file /gone.pem cannot be read']);
  assert.match((await send(backends, 'broken')).detail, /CA file \/broken\.pem has no certificate, or one that cannot/);
  assert.match((await send(backends, 'nameless')).detail, /set the server name/);
  assert.equal(backend.sockets.length, 0);
  assert.equal((await send(backends, 'named')).body, 'app.internal false -');
});

test('sessions are resumed on later connections', async () => {
  const ca = await TestCa.create();
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await using backend = await secure(ca, { ipAddresses: ['127.0.0.1'] }, { maxVersion });
    await using backends = startBackends(
      { app: backendOf([backend.port], { tls: verified }) },
      { files: { '/ca.pem': ca.certPem } },
    );
    assert.equal((await send(backends, 'app', { target: '/close' })).body, 'false false -');
    await until(async () => (await send(backends, 'app', { target: '/close' })).body === 'false true -', {
      what: `resumption with ${maxVersion}`,
    });
  }
});

test('our certificate is shown in its present version: new connections have the new one, open ones go on', async () => {
  const ca = await TestCa.create();
  await using backend = await secure(
    ca,
    { ipAddresses: ['127.0.0.1'] },
    { ca: ca.certPem, requestCert: true, rejectUnauthorized: true },
  );
  const bundles = new Map<string, Bundle>();
  const issue = async (commonName: string): Promise<void> => {
    const { fullchainPem, keyPem } = await ca.issue({ commonName, client: true });
    bundles.set('file/us', { chainPem: fullchainPem, keyPem });
  };
  let asked = 0;
  await using backends = startBackends(
    { app: backendOf([backend.port], { retries: 0, tls: { ...verified, clientCertificateId: 'file/us' } }) },
    {
      files: { '/ca.pem': ca.certPem },
      clientCertificate: (id) => {
        asked += 1;
        return Promise.resolve(bundles.get(id));
      },
    },
  );
  const none = await send(backends, 'app');
  assert.deepEqual(
    [none.failure, none.detail],
    ['backend-tls', 'there is no certificate file/us to show to the backend yet'],
  );
  await issue('one');
  assert.equal(
    (await send(backends, 'app', { target: '/close' })).body,
    'false false one',
    'asked for again by itself',
  );
  await send(backends, 'app', { target: '/close' });
  assert.match((await send(backends, 'app', { target: '/close' })).body, / one$/);
  assert.equal(asked, 2);
  await issue('two');
  backends.certificateChanged('file/other');
  assert.match((await send(backends, 'app', { target: '/close' })).body, / one$/);
  backends.certificateChanged('file/us');
  const answers = await Promise.all([send(backends, 'app'), send(backends, 'app'), send(backends, 'app')]);
  for (const { body } of answers) assert.equal(body, 'false false two', 'a session of the old version is not resumed');
  assert.equal(asked, 3, 'once for all of them');
  // Gone, or unusable: the last good one goes on.
  for (const bad of [undefined, { chainPem: 'x', keyPem: 'y' }]) {
    if (bad === undefined) bundles.delete('file/us');
    else bundles.set('file/us', bad);
    backends.certificateChanged('file/us');
    assert.match((await send(backends, 'app', { target: '/close' })).body, / two$/);
  }
});

test('a backend that refuses our certificate, or does not speak TLS, says so in the reason', async () => {
  const ca = await TestCa.create();
  await using strict = await secure(
    ca,
    { ipAddresses: ['127.0.0.1'] },
    { ca: ca.certPem, requestCert: true, rejectUnauthorized: true },
  );
  await using plain = await startBackend();
  await using backends = startBackends(
    {
      strict: backendOf([strict.port], { tls: verified, retries: 0 }),
      plain: backendOf([plain.port], { tls: verified, retries: 0 }),
    },
    { files: { '/ca.pem': ca.certPem } },
  );
  const refused = await send(backends, 'strict');
  assert.ok(refused.failure === 'backend-tls' || refused.failure === 'backend-reset', String(refused.failure));
  assert.equal((await send(backends, 'plain')).failure, 'backend-tls');
});
