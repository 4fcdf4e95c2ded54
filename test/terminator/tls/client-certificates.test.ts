import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClientCertificates } from '../../../src/core/tls-policy.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import { ClientCa, type ClientCertificate } from './support/client-ca.ts';
import { startFront, type FrontOptions, type TestFront } from './support/front.ts';

const server = await (await TestCa.create()).issue({ dnsNames: ['a.test'] });
const root = await ClientCa.create('Clients');
const middle = await root.intermediate('Middle');
const low = await middle.intermediate('Low');
const other = await ClientCa.create('Other');

const direct = await root.issue({
  subject: 'C=DE,O=Shop,CN=alice',
  names: [
    { type: 'dns', value: 'alice.clients.test' },
    { type: 'url', value: 'spiffe://test/alice' },
    { type: 'email', value: 'alice@clients.test' },
  ],
});
const revoked = await root.issue({ subject: 'CN=mallory' });
const expired = await root.issue({ subject: 'CN=past', notAfter: new Date(Date.now() - 60_000) });
const throughOne = await middle.issue({ subject: 'CN=one' });
const throughTwo = await low.issue({ subject: 'CN=two' });
const foreign = await other.issue({ subject: 'CN=foreign' });
const lists = (await root.revoke([revoked.serial])) + (await middle.revoke([]));

function options(client: Partial<ClientCertificates>, files: Record<string, string> = {}): FrontOptions {
  const clientCertificates: ClientCertificates = { mode: 'require', caFile: '/ca', depth: 1, subjects: [], ...client };
  return { tls: { clientCertificates }, files: { '/ca': root.certPem, '/crl': lists, ...files } };
}

async function start(client: Partial<ClientCertificates> = {}): Promise<TestFront> {
  const front = await startFront(options(client));
  await front.serve('a.test', { chainPem: server.fullchainPem, keyPem: server.keyPem });
  return front;
}

function shown(certificate: ClientCertificate): { cert: string; key: string; servername: string } {
  return { cert: certificate.chainPem, key: certificate.keyPem, servername: 'a.test' };
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const;

for (const version of versions) {
  const only = { minVersion: version, maxVersion: version } as const;

  test(`${version}: a required certificate is verified, and who it names is known, on a resumed connection, too`, async () => {
    await using front = await start();
    const expected = {
      verified: true,
      subject: 'CN=alice,O=Shop,C=DE',
      issuer: 'CN=Clients',
      serial: direct.serial,
      names: ['alice.clients.test', 'spiffe://test/alice', 'alice@clients.test'],
    };
    for (const session of [undefined, await front.session({ ...only, ...shown(direct) })]) {
      const { tls } = await front.handshake({ ...only, ...shown(direct), session });
      assert.equal(tls.resumed, session !== undefined);
      const { certificate, fingerprint256, ...identity } = tls.identity ?? assert.fail('no identity');
      assert.deepEqual(identity, expected);
      assert.match(fingerprint256, /^[0-9a-f]{64}$/);
      assert.ok(certificate.length > 100);
    }
  });

  test(`${version}: without a certificate that is required, the handshake fails with an alert`, async () => {
    await using front = await start();
    const { error, reason } = await front.refused({ ...only, servername: 'a.test' });
    assert.equal(reason, 'client-certificate-missing');
    assert.match(
      error.code ?? '',
      version === 'TLSv1.3' ? /^ERR_SSL_.*CERTIFICATE_REQUIRED$/ : /^ERR_SSL_.*ALERT_HANDSHAKE_FAILURE$/,
    );
  });

  test(`never (§5.13): ${version} clients whose required certificate is not good get neither an answer nor a session`, async () => {
    await using front = await start({
      crlFile: '/crl',
      subjects: ['alice.*', '*@nobody.test', 'o?e', 'mallory', 'past'],
    });
    const cases = [
      [foreign, 'client-certificate-invalid'],
      [expired, 'client-certificate-expired'],
      [revoked, 'client-certificate-revoked'],
      [throughTwo, 'client-certificate-invalid'], // its CA has no revocation list
      [throughOne, 'client-certificate-subject'],
    ] as const;
    for (const [certificate, expected] of cases) {
      const client = front.connect({ ...only, ...shown(certificate) });
      const sessions: Buffer[] = [];
      client.on('session', (session) => sessions.push(session));
      client.on('error', () => undefined);
      client.on('data', () => assert.fail('let in'));
      await new Promise((resolve) => client.once('close', resolve));
      assert.equal(front.failures.at(-1), expected);
      assert.equal(sessions.length, 0, `${expected}: no session was given away`);
    }
    assert.equal(front.secured.length, 0);
    assert.equal((await front.handshake({ ...only, ...shown(direct) })).tls.identity?.verified, true);
  });

  test(`${version}: optional certificates: none, good and bad ones are let in and told apart, resumed or not`, async () => {
    await using front = await start({
      mode: 'optional',
      crlFile: '/crl',
      subjects: ['CN=*', 'alice.clients.test', 'mallory'],
    });
    const { tls: none } = await front.handshake({ ...only, servername: 'a.test' });
    assert.equal(none.identity, undefined);
    const cases = [
      [direct, undefined],
      [foreign, 'UNABLE_TO_GET_CRL'],
      [expired, 'CERT_HAS_EXPIRED'],
      [revoked, 'CERT_REVOKED'],
      [throughOne, 'SUBJECT_NOT_ALLOWED'],
    ] as const;
    for (const [certificate, expected] of cases) {
      const session = await front.session({ ...only, ...shown(certificate) });
      for (const again of [undefined, session]) {
        const { tls } = await front.handshake({ ...only, ...shown(certificate), session: again });
        assert.equal(tls.resumed, again !== undefined, certificate.serial);
        assert.equal(tls.identity?.reason, expected);
        assert.equal(tls.identity?.verified, expected === undefined);
      }
    }
  });

  test(`never (§5.13): ${version} chains longer than the policy allows are refused in both modes, and get no session`, async () => {
    for (const mode of ['require', 'optional'] as const) {
      await using front = await start({ mode, depth: 1 });
      assert.equal((await front.handshake({ ...only, ...shown(throughOne) })).tls.identity?.verified, true);
      const sessions: Buffer[] = [];
      const client = front.connect({ ...only, ...shown(throughTwo) });
      client.on('session', (session) => sessions.push(session)).on('error', () => undefined);
      await new Promise((resolve) => client.once('close', resolve));
      assert.deepEqual([front.failures, sessions], [['client-certificate-depth'], []]);
      front.configure(options({ mode, depth: 2 }));
      assert.equal((await front.handshake({ ...only, ...shown(throughTwo) })).tls.identity?.verified, true);
      front.configure(options({ mode, depth: 0 }));
      assert.equal((await front.refused({ ...only, ...shown(throughOne) })).reason, 'client-certificate-depth');
      assert.equal((await front.handshake({ ...only, ...shown(direct) })).tls.identity?.verified, true);
    }
  });

  test(`never (§5.13): a ${version} session does not outlive the revocation list that its client was looked up in`, async () => {
    const ending = (await root.revoke([], new Date(Date.now() + 1_500))) + (await middle.revoke([]));
    await using front = await startFront(options({ crlFile: '/crl' }, { '/crl': ending }));
    await front.serve('a.test', { chainPem: server.fullchainPem, keyPem: server.keyPem });
    const session = await front.session({ ...only, ...shown(direct) });
    const fullIsRefused = async (): Promise<boolean> => {
      const client = front.connect({ ...only, ...shown(direct) }).on('error', () => undefined);
      client.write('?');
      const letIn = Promise.withResolvers<boolean>();
      client.once('data', () => letIn.resolve(true)).once('close', () => letIn.resolve(false));
      const answered = await letIn.promise;
      client.destroy();
      return !answered;
    };
    await until(fullIsRefused, { what: 'the end of the list' });
    front.configure({ ...options({ crlFile: '/crl' }, { '/crl': ending }), endedLists: { '/crl': 1 } });
    const { reason } = await front.refused({ ...only, ...shown(direct), session });
    assert.equal(reason, 'client-certificate-invalid');
  });

  test(`never (§5.13): a ${version} session made under one client CA or revocation list does not resume under another`, async () => {
    await using front = await start({ crlFile: '/crl' });
    const session = await front.session({ ...only, ...shown(direct) });
    const changes: [Partial<ClientCertificates>, Record<string, string>][] = [
      [{ crlFile: '/crl' }, { '/crl': (await root.revoke([direct.serial])) + (await middle.revoke([])) }],
      [{}, { '/ca': other.certPem }],
      [{ subjects: ['bob'] }, {}],
    ];
    for (const [client, files] of changes) {
      front.configure(options(client, files));
      const { reason } = await front.refused({ ...only, ...shown(direct), session });
      assert.match(reason, /^client-certificate-(revoked|invalid|subject)$/);
      // Back: what was made under it counts again.
      front.configure(options({ crlFile: '/crl' }));
      assert.equal((await front.handshake({ ...only, ...shown(direct), session })).tls.resumed, true);
    }
  });
}

test('a CA file may trust an intermediate CA alone', async () => {
  await using front = await startFront(options({ depth: 0 }, { '/ca': middle.certPem }));
  await front.serve('a.test', { chainPem: server.fullchainPem, keyPem: server.keyPem });
  assert.equal((await front.handshake(shown(throughOne))).tls.identity?.verified, true);
  assert.equal((await front.refused(shown(direct))).reason, 'client-certificate-invalid');
});

test('never (§5.13): a policy whose CA file or revocation list is missing lets nobody in, and looks like no other', async () => {
  for (const files of [{ '/crl': lists }, { '/ca': root.certPem }, { '/ca': 'nothing', '/crl': lists }]) {
    const { tls } = options({ crlFile: '/crl' });
    await using front = await startFront({ ...(tls && { tls }), files });
    await front.serve('a.test', { chainPem: server.fullchainPem, keyPem: server.keyPem });
    const { error, reason } = await front.refused(shown(direct));
    assert.equal(reason, 'policy-unusable');
    assert.match(error.code ?? '', /ALERT_INTERNAL_ERROR/);
    assert.equal(front.warnings.length, 1);
    const before = front.front.policyOf('a.test').id;
    front.configure({ tls: { clientCertificates: undefined } });
    assert.notEqual(front.front.policyOf('a.test').id, before);
    front.configure(options({ crlFile: '/crl' }));
    assert.equal((await front.handshake(shown(direct))).tls.identity?.verified, true, 'as soon as they are there');
  }
});

test(
  'whatever a client puts into a certificate of its own making, the worker lives and says what it is',
  { skip: await missingTools('openssl') },
  async () => {
    await using front = await start({ mode: 'optional', subjects: ['*'] });
    const openssl = await findTool('openssl');
    const odd = [
      ['-subj', '/'],
      ['-subj', '/', '-addext', 'subjectAltName=DNS:x,otherName:1.2.3;UTF8:a\\, DNS:evil.test,dirName:d\n[d]\nCN=x'],
      ['-subj', '/CN=a+OU=b/CN=c\\/d'],
      ['-subj', '/CN=x', '-days', '36500'],
      ['-subj', '/CN=x', '-newkey', 'ed25519'],
      ['-subj', '/CN=x', '-addext', 'subjectAltName=URI:http://x/"y, DNS:z'],
    ];
    let shownCount = 0;
    for (const args of odd) {
      const kind = args.includes('-newkey') ? [] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
      const made = await openssl.run(['req', '-x509', ...kind, '-nodes', ...args, '-keyout', '-', '-out', '-']);
      const [key = '', cert = ''] = made.stdout.split(/(?=-----BEGIN CERT)/);
      if (made.code !== 0) continue; // what openssl itself does not make
      const { tls } = await front.handshake({ cert, key, servername: 'a.test' });
      assert.equal(tls.identity?.verified, false);
      assert.ok(!tls.identity.names.includes('evil.test'));
      shownCount += 1;
    }
    assert.ok(shownCount >= 4);
  },
);
