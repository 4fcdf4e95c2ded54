import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import test from 'node:test';
import fc from 'fast-check';
import type { Bundle } from '../../../src/core/bundle.ts';
import { tlsPresets } from '../../../src/core/tls-policy.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { connectPlain } from '../support/raw.ts';
import { startFront, type TestFront } from './support/front.ts';

const ca = await TestCa.create();

async function issue(...dnsNames: string[]): Promise<Bundle> {
  const leaf = await ca.issue({ dnsNames });
  return { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
}

const wanted = '-newkey rsa:2048 -nodes -days 2 -subj /CN=rsa.test -addext subjectAltName=DNS:a.test,DNS:rsa.test';

async function issueRsa(): Promise<Bundle> {
  const openssl = await findTool('openssl');
  const { stdout } = await openssl.run(['req', '-x509', ...wanted.split(' '), '-keyout', '-', '-out', '-']);
  const [keyPem = '', chainPem = ''] = stdout.split(/(?=-----BEGIN CERT)/);
  return { chainPem, keyPem };
}

async function serving(options: Parameters<typeof startFront>[0] = {}): Promise<TestFront> {
  const front = await startFront(options);
  await front.serve('a.test', await issue('a.test', '*.a.test'));
  return front;
}

test('a connection is let in with what is known of it', async () => {
  await using front = await serving();
  const { tls, alpn } = await front.handshake({ servername: 'A.test', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(alpn, 'h2');
  assert.deepEqual(
    { ...tls, policyId: tls.policyId.length },
    {
      serverName: 'a.test',
      version: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      resumed: false,
      certificateNames: ['a.test', '*.a.test'],
      policyId: 32,
    },
  );
  assert.equal(tls.policyId, front.front.policyOf('a.test').id);
  assert.equal(front.front.pending, 0);
});

test('an unknown and a missing name are refused with an alert, or answered by the default host', async () => {
  await using front = await serving();
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const servername of ['b.test', undefined]) {
      const { error, reason } = await front.refused({ servername, minVersion: version, maxVersion: version });
      assert.match(error.code ?? '', /UNRECOGNIZED_NAME/, `${servername} over ${version}`);
      assert.equal(reason, 'unknown-name');
    }
  }
  front.configure({ defaultHost: 'a.test' });
  for (const servername of ['b.test', undefined]) {
    const { tls } = await front.handshake({ servername });
    assert.deepEqual([tls.serverName, tls.certificateNames], [servername, ['a.test', '*.a.test']]);
  }
});

test('the default host brings its own policy', async () => {
  const modern = { names: ['a.test'], tls: tlsPresets.modern };
  await using front = await serving({ defaultHost: 'a.test', hosts: [modern] });
  assert.equal((await front.refused({ servername: 'b.test', maxVersion: 'TLSv1.2' })).reason, 'old-version');
});

test('application protocols: the host decides, none of them in common is an alert, none offered is no matter', async () => {
  await using front = await serving({
    hosts: [{ names: ['*.a.test'], tls: { ...tlsPresets.modern, alpn: ['http/1.1'] } }],
  });
  await front.serve('x.a.test', await issue('*.a.test'));
  const both = ['h2', 'http/1.1'];
  assert.equal((await front.handshake({ servername: 'a.test', ALPNProtocols: both })).alpn, 'h2');
  assert.equal((await front.handshake({ servername: 'x.a.test', ALPNProtocols: both })).alpn, 'http/1.1');
  assert.equal((await front.handshake({ servername: 'x.a.test' })).alpn, undefined);
  for (const protocol of ['h2', 'spdy/3']) {
    const { error, reason } = await front.refused({ servername: 'x.a.test', ALPNProtocols: [protocol] });
    assert.match(error.code ?? '', /NO_APPLICATION_PROTOCOL/);
    assert.equal(reason, 'no-common-protocol');
  }
  front.configure({ hosts: [], tls: { alpn: [] } });
  assert.equal((await front.handshake({ servername: 'a.test', ALPNProtocols: both })).alpn, undefined);
});

test('each host has its own versions, cipher suites and groups', async () => {
  const strict = { ...tlsPresets.modern, curves: ['secp384r1'] };
  const aes = { ...tlsPresets.intermediate, ciphers: ['ECDHE-ECDSA-AES256-GCM-SHA384'] };
  await using front = await serving({
    hosts: [
      { names: ['strict.test'], tls: strict },
      { names: ['aes.test'], tls: aes },
    ],
  });
  await front.serve('strict.test', await issue('strict.test'));
  await front.serve('aes.test', await issue('aes.test'));
  const old = { maxVersion: 'TLSv1.2' } as const;
  assert.equal((await front.handshake({ servername: 'a.test', ...old })).tls.version, 'TLSv1.2');
  const { error, reason } = await front.refused({ servername: 'strict.test', ...old });
  assert.match(error.code ?? '', /ALERT_PROTOCOL_VERSION/);
  assert.equal(reason, 'old-version');
  const curve = { ecdhCurve: 'X25519' };
  assert.equal((await front.handshake({ servername: 'a.test', ...curve })).tls.version, 'TLSv1.3');
  assert.equal((await front.refused({ servername: 'strict.test', ...curve })).reason, 'no-common-parameters');
  assert.equal((await front.handshake({ servername: 'aes.test', ...old })).tls.cipher, 'ECDHE-ECDSA-AES256-GCM-SHA384');
  const chacha = { ...old, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' };
  assert.equal((await front.refused({ servername: 'aes.test', ...chacha })).reason, 'no-common-parameters');
  assert.equal((await front.handshake({ servername: 'a.test', ...chacha })).tls.cipher, chacha.ciphers);
});

test('X25519MLKEM768 comes first, and a client that prefers something else still gets it', async () => {
  await using front = await serving();
  const group = async (ecdhCurve: string): Promise<string | undefined> => {
    const { client } = await front.handshake({ servername: 'a.test', ecdhCurve });
    const info = client.getEphemeralKeyInfo();
    return info !== null && 'name' in info ? info.name : JSON.stringify(info);
  };
  assert.equal(await group('X25519MLKEM768:X25519'), 'X25519MLKEM768');
  assert.equal(await group('X25519'), 'X25519');
  assert.equal(await group('prime256v1'), 'prime256v1');
  assert.equal((await front.refused({ servername: 'a.test', ecdhCurve: 'secp521r1' })).reason, 'no-common-parameters');
});

test('a client that needs a second ClientHello is served, and its session resumes', async () => {
  await using front = await serving({ tls: { curves: ['secp384r1'] } });
  // OpenSSL sends a share for its first group only; the server asks for another one.
  const retry = { servername: 'a.test', ecdhCurve: 'X25519:secp384r1' };
  const session = await front.session(retry);
  assert.equal((await front.handshake({ ...retry, session })).tls.resumed, true);
});

test('ECDSA and RSA certificates serve side by side', { skip: await missingTools('openssl') }, async () => {
  await using front = await startFront();
  const ecdsa = await issue('a.test', 'ec.test');
  const rsa = await issueRsa();
  const kind = async (options: object): Promise<string | undefined> => {
    const { client, tls } = await front.handshake({ servername: 'a.test', ...options });
    assert.ok(tls.certificateNames.includes('a.test'));
    return client.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
  };
  for (const [best, alternative] of [
    [ecdsa, rsa],
    [rsa, ecdsa],
  ] as const) {
    await front.serve('a.test', best, alternative);
    assert.equal(await kind({}), 'ec', 'whoever can use ECDSA gets it');
    assert.equal(
      await kind({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256' }),
      'ec',
    );
    assert.equal(await kind({ sigalgs: 'rsa_pss_rsae_sha256' }), 'rsa');
    assert.equal(await kind({ sigalgs: 'ECDSA+SHA256' }), 'ec');
    assert.equal(await kind({ maxVersion: 'TLSv1.2', sigalgs: 'RSA+SHA256:RSA-PSS+SHA256' }), 'rsa');
    // Its signature schemes speak for ECDSA, its cipher suites against it.
    assert.equal(await kind({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }), 'rsa');
  }
  await front.serve('a.test', rsa);
  assert.equal((await front.refused({ servername: 'a.test', sigalgs: 'ECDSA+SHA256' })).reason, 'no-common-parameters');
});

test(
  'a staple goes to clients that ask for it, with the certificate that it is for',
  { skip: await missingTools('openssl') },
  async () => {
    await using front = await serving({
      hosts: [{ names: ['quiet.test'], tls: { ...tlsPresets.intermediate, ocspStapling: false } }],
    });
    const ask = async (servername: string, options: object = {}): Promise<string | undefined> => {
      const client = front.connect({ servername, requestOCSP: true, ...options });
      const answer = Promise.withResolvers<Buffer | null>();
      client.on('OCSPResponse', answer.resolve);
      client.on('error', answer.reject);
      client.on('secureConnect', () => answer.resolve(null));
      const staple = (await answer.promise)?.toString();
      client.destroy();
      return staple;
    };
    assert.equal(await ask('a.test'), undefined);
    front.staple('a.test', Buffer.from('first'));
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
      assert.equal(await ask('a.test', { minVersion: version, maxVersion: version }), 'first');
    assert.equal(
      (await front.handshake({ servername: 'a.test' })).tls.version,
      'TLSv1.3',
      'whoever does not ask gets none',
    );
    front.staple('a.test', undefined);
    assert.equal(await ask('a.test'), undefined);
    await front.serve('quiet.test', await issue('quiet.test'));
    await ask('quiet.test');
    front.staple('quiet.test', Buffer.from('second'));
    assert.equal(await ask('quiet.test'), undefined, 'its policy does not staple');
    // Beside an RSA certificate, it is given with its own alone.
    await front.serve('a.test', await issue('a.test'), await issueRsa());
    await front.handshake({ servername: 'a.test' });
    front.staple('a.test', Buffer.from('ecdsa'));
    assert.equal(await ask('a.test'), 'ecdsa');
    assert.equal(await ask('a.test', { sigalgs: 'rsa_pss_rsae_sha256' }), undefined);
    assert.equal(
      await ask('a.test', { maxVersion: 'TLSv1.2' }),
      undefined,
      'which one it gets is not known beforehand',
    );
  },
);

test('a handshake that takes too long is ended, in whatever state it is', async () => {
  await using front = await serving({ handshakeMs: 50 });
  const hello = await clientHello(front, 'a.test');
  const stalled = await connectPlain(front.port);
  stalled.write(hello);
  await once(stalled.resume(), 'close');
  assert.deepEqual([front.failures, front.front.pending], [['timeout'], 0]);
});

test('a client that goes away in the middle is noticed at once, on half-open listeners, too', async () => {
  for (const allowHalfOpen of [false, true]) {
    await using front = await serving({ allowHalfOpen, handshakeMs: 60_000 });
    const hello = await clientHello(front, 'a.test');
    const leaving = [await connectPlain(front.port), await connectPlain(front.port)];
    for (const client of leaving) {
      client.write(hello);
      await once(client, 'data');
    }
    leaving[0]?.end();
    leaving[1]?.resetAndDestroy();
    await until(() => front.failures.length === 2, { what: 'both being noticed' });
    assert.deepEqual([front.failures, front.front.pending], [['client-gone', 'client-gone'], 0]);
    // And while the certificate is still being looked up.
    const early = await connectPlain(front.port);
    early.write(await clientHello(front, 'b.test'));
    early.resetAndDestroy();
    await until(() => front.failures.length >= 3 && front.front.pending === 0, { what: 'the third one' });
  }
});

test('what a client refuses, and nonsense after its first message, end the handshake with a reason', async () => {
  await using front = await serving();
  await front.refused({ servername: 'a.test', rejectUnauthorized: true, ca: [] });
  assert.ok(['client-refused', 'client-gone'].includes(front.failures.at(-1) ?? ''));
  const garbage = await connectPlain(front.port);
  garbage.write(await clientHello(front, 'a.test'));
  await once(garbage, 'data');
  garbage.write(Buffer.alloc(100, 0x17));
  await once(garbage.resume(), 'close');
  assert.equal(front.failures.length, 2);
});

test('a ClientHello that has been changed anywhere ends in a handshake or a reason, and leaves nothing behind', async () => {
  await using front = await serving({ handshakeMs: 2_000 });
  await front.handshake({ servername: 'a.test' });
  const hello = await clientHello(front, 'a.test');
  const change = fc.record({ at: fc.integer({ min: 5, max: hello.length - 1 }), to: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const bytes = Buffer.from(hello);
      for (const { at, to } of changes) bytes[at] = to;
      const client = await connectPlain(front.port);
      client.on('error', () => undefined);
      client.end(bytes);
      // An answer (to what is still good), an alert, or the end: what matters is that something comes.
      await Promise.race([once(client, 'data'), once(client.resume(), 'close')]);
      client.destroy();
    }),
    { numRuns: 200 },
  );
  await until(() => front.front.pending === 0, { what: 'all of them being over' });
  assert.equal((await front.handshake({ servername: 'a.test' })).tls.version, 'TLSv1.3');
});

test('a certificate that cannot be had is answered with an internal error, and tried again for the next client', async () => {
  await using front = await startFront();
  const good = await issue('a.test');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const foreignKey = privateKey.export({ type: 'pkcs8', format: 'pem' });
  await front.serve('a.test', { ...good, keyPem: foreignKey });
  const { error, reason } = await front.refused({ servername: 'a.test' });
  assert.match(error.code ?? '', /ALERT_INTERNAL_ERROR/);
  assert.equal(reason, 'certificate-unloadable');
  await front.serve('a.test', good);
  assert.equal((await front.handshake({ servername: 'a.test' })).tls.serverName, 'a.test');
});

test('a policy that the TLS library does not take refuses its hosts alone, and says why', async () => {
  const broken = { names: ['b.test'], tls: { ...tlsPresets.intermediate, curves: ['nonsense'] } };
  await using front = await serving({ hosts: [broken] });
  await front.serve('b.test', await issue('b.test'));
  assert.equal((await front.refused({ servername: 'b.test' })).reason, 'policy-unusable');
  assert.equal(front.warnings.length, 1);
  assert.equal((await front.handshake({ servername: 'a.test' })).tls.serverName, 'a.test');
});

test('a TLS 1.2 client may not renegotiate', { skip: await missingTools('openssl') }, async () => {
  await using front = await serving();
  const openssl = await findTool('openssl');
  const args = ['s_client', '-connect', `127.0.0.1:${front.port}`, '-servername', 'a.test', '-tls1_2'];
  const { stdout, stderr } = await openssl.run(args, { input: 'R\n' });
  assert.match(stdout + stderr, /RENEGOTIATING[\s\S]*no renegotiation/i);
});

test('after the handshake nothing of it is left on the socket', async () => {
  await using front = await serving();
  await front.handshake({ servername: 'a.test' });
  const { socket } = front.secured[0] ?? assert.fail('nobody came in');
  assert.deepEqual(
    ['secure', '_tlsError', 'timeout'].map((event) => socket.listenerCount(event)),
    [0, 0, 0],
  );
  assert.equal(socket.timeout ?? 0, 0);
  assert.equal(front.front.pending, 0);
});

/** A ClientHello as node sends it. */
async function clientHello(front: TestFront, servername: string): Promise<Buffer> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = front.connect({ servername, port: typeof address === 'object' ? address?.port : 0 });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  server.close();
  return hello;
}
