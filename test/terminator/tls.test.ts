import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { findTool, missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { respondRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { connectPlain, talk } from './support/raw.ts';

const noOpenssl = await missingTools('openssl');

async function names(terminator: TestTerminator, host: string): Promise<string> {
  const socket = await terminator.handshake(host, { checkServerIdentity: () => undefined });
  const { subjectaltname } = socket.getPeerCertificate();
  socket.destroy();
  return subjectaltname ?? '';
}

async function sClient(port: number, ...args: string[]): Promise<string> {
  const openssl = await findTool('openssl');
  const { stdout, stderr } = await openssl.run(['s_client', '-connect', `127.0.0.1:${port}`, ...args], { input: '' });
  return stdout + stderr;
}

test(
  'the exact name answers before the one-label wildcard, and an unknown one with an alert',
  { skip: noOpenssl },
  async () => {
    await using terminator = await startTerminator();
    await terminator.serve('file/wide', 1, '*.apps.test');
    await terminator.serve('file/exact', 1, 'one.apps.test');
    assert.equal(await names(terminator, 'one.apps.test'), 'DNS:one.apps.test');
    assert.equal(await names(terminator, 'ONE.Apps.Test'), 'DNS:one.apps.test');
    assert.equal(await names(terminator, 'two.apps.test'), 'DNS:*.apps.test');
    for (const version of ['-tls1_2', '-tls1_3']) {
      const port = terminator.httpsPort;
      assert.match(await sClient(port, version, '-servername', 'a.b.apps.test'), /unrecognized name/);
      assert.match(await sClient(port, version, '-servername', 'apps.test'), /unrecognized name/);
      assert.match(await sClient(port, version, '-noservername'), /alert handshake failure/);
    }
    assert.match(
      await sClient(terminator.httpsPort, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', '-servername', 'one.apps.test'),
      /alert|unsupported/,
    );
  },
);

test('a name that had no certificate is served as soon as one is acknowledged', async () => {
  await using terminator = await startTerminator();
  await assert.rejects(terminator.handshake('late.test'));
  const { serial } = await terminator.serve('file/late', 1, 'late.test');
  for (let i = 0; i < 4; i += 1) assert.equal(await terminator.serial('late.test'), serial);
});

test('with a default host, its certificate answers unknown and missing names, and follows its rotations', async () => {
  await using terminator = await startTerminator({ settings: { defaultHost: 'main.test' } });
  for (const version of [1, 2, 3]) {
    const { serial } = await terminator.serve('file/main', version, 'main.test');
    for (const host of ['unknown.test', undefined]) {
      // Several times, so that each worker has its turn.
      for (let i = 0; i < 4; i += 1) {
        const socket = await terminator.handshake(host, { checkServerIdentity: () => undefined });
        assert.equal(socket.getPeerCertificate().serialNumber, serial, `${host} after version ${version}`);
        socket.destroy();
      }
    }
  }
  await terminator.serve('file/other', 1, 'other.test');
  assert.equal(await names(terminator, 'other.test'), 'DNS:other.test');
});

/** A session that the server is willing to resume. */
async function sessionOf(terminator: TestTerminator, host: string, version: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: terminator.httpsPort,
    ca: terminator.ca.certPem,
    servername: host,
    minVersion: version,
    maxVersion: version,
  });
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version} sessions resume at every worker, and across a rotation`, async () => {
    await using terminator = await startTerminator({ settings: { workers: 3, defaultHost: 'a.test' } });
    await terminator.serve('file/a', 1, 'a.test');
    const session = await sessionOf(terminator, 'a.test', version);
    const resumes = async (): Promise<number> => {
      let resumed = 0;
      for (let i = 0; i < 9; i += 1) {
        const socket = await terminator.handshake('a.test', { session, minVersion: version, maxVersion: version });
        resumed += Number(socket.isSessionReused());
        socket.destroy();
      }
      return resumed;
    };
    assert.equal(await resumes(), 9);
    await terminator.serve('file/a', 2, 'a.test');
    assert.equal(await resumes(), 9, 'after a rotation');
  });
}

test('never (§5.3): a rotation leaves open connections alone, on HTTP/1.1 and on a bare handshake', async () => {
  await using terminator = await startTerminator({ routes: [respondRoute('a.test', 'hello')] });
  const first = await terminator.serve('file/a', 1, 'a.test');
  const open: TLSSocket[] = [];
  for (let i = 0; i < 6; i += 1) open.push(await terminator.handshake('a.test', { ALPNProtocols: ['http/1.1'] }));
  const second = await terminator.serve('file/a', 2, 'a.test');
  assert.equal(await terminator.serial('a.test'), second.serial);
  for (const socket of open) {
    assert.equal(socket.getPeerCertificate().serialNumber, first.serial);
    const answer = await talk(socket, 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/);
  }
});

test('a client that stalls in the handshake is cut off, and so is one that speaks http', async () => {
  const timeouts = {
    handshakeMs: 300,
    headerMs: 5000,
    idleMs: 5000,
    bodyMs: 5000,
    tunnelIdleMs: 0,
    drainMs: 500,
  };
  await using terminator = await startTerminator({ settings: { timeouts } });
  const silent = await connectPlain(terminator.httpsPort);
  const half = await connectPlain(terminator.httpsPort);
  half.write(Buffer.from([22, 3, 1, 0, 200, 1]));
  const startedAt = performance.now();
  await Promise.all([once(silent.resume(), 'close'), once(half.resume(), 'close')]);
  assert.ok(performance.now() - startedAt >= 250, 'not before its time');
  const plain = await connectPlain(terminator.httpsPort);
  await talk(plain, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await until(() => terminator.supervisor.status().workers.every(({ connections }) => connections === 0));
});

test(
  'an RSA certificate is served like any other, and the terminator offers TLS 1.2 and 1.3',
  { skip: noOpenssl },
  async () => {
    const openssl = await findTool('openssl');
    await using terminator = await startTerminator();
    const wanted = '-newkey rsa:2048 -nodes -days 2 -subj /CN=rsa.test -addext subjectAltName=DNS:rsa.test';
    const { stdout } = await openssl.run(['req', '-x509', ...wanted.split(' '), '-keyout', '-', '-out', '-']);
    const [keyPem = '', chainPem = ''] = stdout.split(/(?=-----BEGIN CERT)/);
    await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/rsa', 1, { chainPem, keyPem }));
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.match(await sClient(terminator.httpsPort, version, '-servername', 'rsa.test'), /CN\s?=\s?rsa\.test/);
    }
  },
);
