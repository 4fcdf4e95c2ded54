import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { Bundle } from '../../src/core/bundle.ts';
import { silentLog, type LogFields } from '../../src/core/ports/log.ts';
import { tlsPresets } from '../../src/core/tls-policy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { tempDir } from '../support/tempdir.ts';
import { findTool, missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { respondRoute, startTerminator, type TestTerminator } from './support/harness.ts';
import { OcspCa, startResponder } from './intake/ocsp/ocsp-ca.ts';
import { connectPlain, talk } from './support/raw.ts';
import { ClientCa, type ClientCertificate } from './tls/support/client-ca.ts';

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

async function selfSignedRsa(name: string): Promise<Bundle> {
  const openssl = await findTool('openssl');
  const wanted = `-newkey rsa:2048 -nodes -days 2 -subj /CN=${name} -addext subjectAltName=DNS:${name}`;
  const { stdout } = await openssl.run(['req', '-x509', ...wanted.split(' '), '-keyout', '-', '-out', '-']);
  const [keyPem = '', chainPem = ''] = stdout.split(/(?=-----BEGIN CERT)/);
  return { chainPem, keyPem };
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
      assert.match(await sClient(port, version, '-noservername'), /unrecognized name/);
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
    await using terminator = await startTerminator();
    const { chainPem, keyPem } = await selfSignedRsa('rsa.test');
    await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/rsa', 1, { chainPem, keyPem }));
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.match(await sClient(terminator.httpsPort, version, '-servername', 'rsa.test'), /CN\s?=\s?rsa\.test/);
    }
  },
);

/** As openssl keeps it in a file: the client side of a resumption that is not node's. */
async function reused(terminator: TestTerminator, sessionFile: string, version: string): Promise<boolean> {
  const args = [version, '-servername', 'a.test', '-sess_in', sessionFile];
  return /^Reused, /m.test(await sClient(terminator.httpsPort, ...args));
}

test(
  'openssl resumes sessions across rotations, workers and changes of ticket keys, and no longer than their key is known',
  { skip: noOpenssl },
  async () => {
    await using dir = await tempDir();
    const keys = Array.from({ length: 3 }, () => randomBytes(48).toString('base64'));
    const ticketKeysFile = dir.join('keys');
    await writeFile(ticketKeysFile, `${keys[0]}\n`);
    const clock = new ManualClock(Date.now());
    await using terminator = await startTerminator({ clock, settings: { workers: 3, ticketKeysFile } });
    // Behind it, every worker has what the supervisor has told so far.
    const settled = async (version: number): Promise<unknown> => await terminator.serve('file/a', version, 'a.test');
    await settled(1);
    for (const version of ['-tls1_2', '-tls1_3']) {
      // It stays for the answer, so that the tickets, which come after the handshake, are not missed.
      const args = [version, '-servername', 'a.test', '-ign_eof', '-sess_out', dir.join(version)];
      const openssl = await findTool('openssl');
      const { stdout } = await openssl.run(['s_client', '-connect', `127.0.0.1:${terminator.httpsPort}`, ...args], {
        input: 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n',
      });
      assert.match(stdout, /^New, [\s\S]*404 Not Found/m);
    }
    const resumed = async (): Promise<number> => {
      let count = 0;
      for (let i = 0; i < 4; i += 1)
        for (const version of ['-tls1_2', '-tls1_3'])
          count += Number(await reused(terminator, dir.join(version), version));
      return count;
    };
    assert.equal(await resumed(), 8);
    for (const [i, lines] of [
      [keys[1], keys[0]],
      [keys[2], keys[1], keys[0]],
    ].entries()) {
      await writeFile(ticketKeysFile, lines.join('\n'));
      await clock.advance(6_000);
      await settled(i + 2);
      assert.equal(await resumed(), 8, `after change ${i + 1}`);
    }
    await writeFile(ticketKeysFile, keys.slice(1).join('\n'));
    await clock.advance(6_000);
    await until(async () => (await resumed()) === 0, { what: 'the first key being forgotten', timeoutMs: 30_000 });
  },
);

test('client certificates: each worker follows the CA file and the revocation list, and what goes missing lets nobody new in', async () => {
  await using dir = await tempDir();
  const root = await ClientCa.create('Clients');
  const [alice, bob] = [await root.issue({ subject: 'CN=alice' }), await root.issue({ subject: 'CN=bob' })];
  const [caFile, crlFile] = [dir.join('ca.pem'), dir.join('crl.pem')];
  await writeFile(caFile, root.certPem);
  await writeFile(crlFile, await root.revoke([]));
  const clientCertificates = { mode: 'require', caFile, crlFile, depth: 1, subjects: [] } as const;
  const hosts = [{ names: ['a.test'], tls: { ...tlsPresets.intermediate, clientCertificates } }];
  const clock = new ManualClock(Date.now());
  const told: unknown[] = [];
  const log = {
    ...silentLog,
    warn: (message: string, { host, client, reason }: LogFields = {}) =>
      void (/refused/.test(message) && told.push([host, client, reason])),
  };
  await using terminator = await startTerminator({
    clock,
    log,
    settings: { hosts },
    routes: [respondRoute('a.test', 'hello'), respondRoute('b.test', 'open')],
  });
  await terminator.serve('file/a', 1, { dnsNames: ['a.test', 'b.test'] });
  const ask = async (client: ClientCertificate | undefined, host = 'a.test'): Promise<string> => {
    const shown = client === undefined ? {} : { cert: client.chainPem, key: client.keyPem };
    try {
      const socket = await terminator.handshake(host, { ALPNProtocols: ['http/1.1'], ...shown });
      return await talk(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    } catch (error) {
      return String(error);
    }
  };
  for (let i = 0; i < 4; i += 1) {
    assert.match(await ask(alice), /200 OK[\s\S]*hello$/);
    assert.match(await ask(bob), /200 OK[\s\S]*hello$/);
    assert.doesNotMatch(await ask(undefined), /HTTP/);
    assert.match(await ask(undefined, 'b.test'), /200 OK[\s\S]*open$/, 'only its own host asks');
  }
  await writeFile(crlFile, await root.revoke([bob.serial]));
  await clock.advance(6_000);
  const refused = async (): Promise<boolean> => !/HTTP/.test(await ask(bob));
  await until(async () => (await refused()) && (await refused()) && (await refused()) && (await refused()), {
    what: 'the revocation being in effect everywhere',
  });
  assert.match(await ask(alice), /200 OK/);
  for (const reason of ['client-certificate-missing', 'client-certificate-revoked'])
    await until(() => told.some((one) => isDeepStrictEqual(one, ['a.test', '127.0.0.1', reason])), { what: reason });
  // Unreadable: the last good one stays in effect, and a person can see it.
  await writeFile(caFile, 'nothing');
  await clock.advance(6_000);
  await until(() => terminator.supervisor.status().problems.some(({ code }) => code === 'terminator.file-unreadable'));
  assert.match(await ask(alice), /200 OK/);
  assert.doesNotMatch(await ask(bob), /HTTP/);
});

test('a certificate bound to a host serves it alone; several for another name are shown, with the one that serves', async () => {
  const clock = new ManualClock(Date.now());
  const hosts = [{ names: ['bound.test'], certificateId: 'file/two' }];
  await using terminator = await startTerminator({ clock, settings: { hosts } });
  const problems = (code: string): string[] =>
    terminator.supervisor
      .status()
      .problems.filter((problem) => problem.code === code)
      .map(({ message }) => message);
  const names = { dnsNames: ['free.test', 'bound.test'] };
  const one = await terminator.serve('file/one', 1, { ...names, notAfter: new Date(Date.now() + 20 * 86_400_000) });
  assert.equal(await terminator.serial('free.test'), one.serial);
  await assert.rejects(terminator.serial('bound.test'), /unrecognized name/i);
  await clock.advance(1_000);
  assert.match(problems('terminator.name-unserved').join(), /bound\.test is bound to file\/two, which is not there/);
  const two = await terminator.serve('file/two', 1, { ...names, notAfter: new Date(Date.now() + 10 * 86_400_000) });
  assert.equal(await terminator.serial('free.test'), one.serial);
  assert.equal(await terminator.serial('bound.test'), two.serial);
  await clock.advance(1_000);
  // A bound name is none: a person has decided.
  assert.deepEqual(problems('terminator.certificate-conflict'), [
    'file/one (feed) and file/two (feed) both carry free.test. file/one serves it, because it ends later.',
  ]);
  assert.deepEqual(problems('terminator.name-unserved'), []);
  await terminator.feed.acknowledged(terminator.feed.remove('certificate/file/one'));
  await clock.advance(1_000);
  assert.deepEqual(problems('terminator.certificate-conflict'), []);
  // Let go of: any certificate may serve it again, in every worker, at once.
  await terminator.feed.acknowledged(
    terminator.feed.publish({ kind: 'settings', settings: { ...terminator.settings, hosts: [] } }),
  );
  const three = await terminator.serve('file/three', 1, { ...names, notAfter: new Date(Date.now() + 25 * 86_400_000) });
  for (let i = 0; i < 4; i += 1) assert.equal(await terminator.serial('bound.test'), three.serial);
});

test(
  'the ECDSA and the RSA certificate of a host serve side by side, each to the clients that can use it',
  { skip: noOpenssl },
  async () => {
    await using terminator = await startTerminator();
    await terminator.serve('file/ecdsa', 1, 'a.test');
    const rsa = await selfSignedRsa('a.test');
    await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/rsa', 1, rsa));
    const kind = async (...args: string[]): Promise<string | undefined> => {
      const output = await sClient(terminator.httpsPort, '-servername', 'a.test', ...args);
      return /Peer signature type: (RSA|ECDSA)/.exec(output)?.[1];
    };
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.equal(await kind(version), 'ECDSA');
      assert.equal(await kind(version, '-sigalgs', 'ECDSA+SHA256'), 'ECDSA');
      assert.equal(await kind(version, '-sigalgs', 'rsa_pss_rsae_sha256:RSA+SHA256'), 'RSA');
    }
    assert.deepEqual(terminator.supervisor.status().problems, []);
    await terminator.feed.acknowledged(terminator.feed.remove('certificate/file/rsa'));
    assert.equal(await kind('-tls1_3', '-sigalgs', 'rsa_pss_rsae_sha256'), undefined);
    assert.equal(await kind('-tls1_3'), 'ECDSA');
  },
);

/** What a scanner finds: for each offer alone, whether the server takes it. */
async function scan(port: number, host: string): Promise<Record<string, boolean>> {
  const offers = {
    'TLS 1.0': ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'],
    'TLS 1.1': ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
    'TLS 1.2': ['-tls1_2'],
    'TLS 1.3': ['-tls1_3'],
    'AES-128-GCM': ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
    'AES-256-GCM': ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ChaCha20: ['-tls1_2', '-cipher', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
    CBC: ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:AES128-SHA:@SECLEVEL=0'],
    'no forward secrecy': ['-tls1_2', '-cipher', 'kRSA'],
    'finite field': ['-tls1_2', '-cipher', 'DHE'],
    TLS_AES_128: ['-tls1_3', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'],
    TLS_CHACHA20: ['-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'],
    TLS_AES_128_CCM: ['-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_SHA256'],
    'P-384': ['-tls1_3', '-groups', 'P-384'],
    'P-521': ['-tls1_3', '-groups', 'P-521'],
  };
  const found: Record<string, boolean> = {};
  const tried = Object.entries(offers).map(async ([offer, args]) => {
    const output = await sClient(port, '-servername', host, ...args);
    found[offer] = /^New, TLSv1\.\d, Cipher is (?!\(NONE\))/m.test(output);
    assert.doesNotMatch(output, /Compression: (?!NONE)/);
    assert.match(output, /Secure Renegotiation IS supported|TLSv1\.3|Cipher is \(NONE\)/);
  });
  await Promise.all(tried);
  return found;
}

test('a scan shows what Mozilla’s presets promise, and nothing else', { skip: noOpenssl }, async () => {
  const hosts = [{ names: ['modern.test'], tls: tlsPresets.modern }];
  await using terminator = await startTerminator({ settings: { hosts } });
  await terminator.serve('file/both', 1, { dnsNames: ['modern.test', 'intermediate.test'] });
  const tls13 = { 'TLS 1.3': true, TLS_AES_128: true, TLS_CHACHA20: true, 'P-384': true };
  const tls12 = { 'TLS 1.2': true, 'AES-128-GCM': true, 'AES-256-GCM': true, ChaCha20: true };
  assert.deepEqual(accepted(await scan(terminator.httpsPort, 'modern.test')), tls13);
  assert.deepEqual(accepted(await scan(terminator.httpsPort, 'intermediate.test')), { ...tls13, ...tls12 });
});

test('the OCSP response of a certificate in use is stapled, once it is there', { skip: noOpenssl }, async () => {
  await using ca = await OcspCa.create();
  let serial = '';
  await using responder = await startResponder(
    async (request, response) => void response.end(await ca.answer(request, serial, { status: 'V' })),
  );
  const hosts = [{ names: ['quiet.test'], tls: { ...tlsPresets.intermediate, ocspStapling: false } }];
  await using terminator = await startTerminator({ settings: { hosts } });
  const issued = await ca.issue('a.test', responder.url);
  ({ serial } = issued);
  await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/a', 1, issued));
  const quiet = await ca.issue('quiet.test', responder.url);
  await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/quiet', 1, quiet));
  const status = async (host: string): Promise<string> =>
    await sClient(terminator.httpsPort, '-servername', host, '-status');
  const isStapled = async (): Promise<boolean> =>
    /OCSP Response Status: successful[\s\S]*Cert Status: good/.test(await status('a.test'));
  await until(async () => (await isStapled()) && (await isStapled()) && (await isStapled()) && (await isStapled()), {
    what: 'the staple everywhere',
    timeoutMs: 30_000,
  });
  assert.match(await status('quiet.test'), /no response sent/);
  // A new version starts without one, and gets its own.
  const next = await ca.issue('a.test', responder.url);
  ({ serial } = next);
  await terminator.feed.acknowledged(terminator.feed.publishCertificate('file/a', 2, next));
  await until(async () => (await status('a.test')).includes(`Serial Number: ${next.serial}`), {
    what: 'the staple of the new version',
    timeoutMs: 30_000,
  });
});

function accepted(found: Record<string, boolean>): Record<string, boolean> {
  return Object.fromEntries(Object.entries(found).filter(([, taken]) => taken));
}
