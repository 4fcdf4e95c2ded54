/** What `check` says about the files that the terminator will read and write. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { randomBytes, webcrypto } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import * as x509 from '@peculiar/x509';
import { checkConfig } from '../../src/config/check.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { TestCa } from '../support/test-ca.ts';

const env = { CERTPLANE_ENCRYPTION_KEY_FILE: '/etc/certplane/key', PATH: '/usr/bin:/bin' };

async function check(dir: TempDir, terminator: string): Promise<string[]> {
  const file = dir.join('certplane.yaml');
  await writeFile(file, `issuers: { local: { ca: {} } }\nterminator: ${terminator}\n`);
  const { problems } = await checkConfig({ file, env, listen: false });
  return problems.map((one) =>
    formatProblem('certplane.yaml', one)
      .replaceAll(dir.path, '<dir>')
      .replace(/^certplane\.yaml:\d+:\d+: /, ''),
  );
}

async function revocationList(): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const list = await x509.X509CrlGenerator.create({
    issuer: 'CN=Test CA',
    signingAlgorithm: algorithm,
    signingKey: privateKey,
  });
  return `${x509.PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** As `openssl rand -base64 48` prints it. */
const key = (): string => randomBytes(48).toString('base64');

const clients = (ca: string, crl = ''): string =>
  `{ tls: { clientCertificates: { ca: ${ca}${crl === '' ? '' : `, crl: ${crl}`} } } }`;

test('CAs and revocation lists of clients have to be there and parse', async () => {
  await using dir = await tempDir();
  const { certPem } = await TestCa.create();
  const list = await revocationList();
  await writeFile(dir.join('ca.pem'), `a comment\n${certPem}${certPem}`);
  await writeFile(dir.join('list.pem'), list + list);
  assert.deepEqual(await check(dir, clients('ca.pem', 'list.pem')), []);

  await writeFile(dir.join('none.pem'), 'nothing');
  await writeFile(dir.join('broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  await writeFile(dir.join('broken.crl'), `${list}-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n`);
  const ca = 'error: terminator.tls.clientCertificates.ca: <dir>';
  const crl = 'error: terminator.tls.clientCertificates.crl: <dir>';
  const form = 'write the path of a PEM file with the certificates of CAs.';
  const listForm = 'write the path of a PEM file with revocation lists.';
  assert.deepEqual(await check(dir, clients('missing.pem')), [
    'error: terminator.tls.clientCertificates.ca: There is no file <dir>/missing.pem. Write the path of a PEM file with the certificates of CAs.',
  ]);
  assert.deepEqual(await check(dir, clients('none.pem', 'ca.pem')), [
    `${ca}/none.pem has no CERTIFICATE block in it; ${form}`,
    `${crl}/ca.pem has no X509 CRL block in it; ${listForm}`,
  ]);
  assert.deepEqual(await check(dir, clients('broken.pem', 'broken.crl')), [
    `${ca}/broken.pem has a CERTIFICATE block that cannot be parsed; ${form}`,
    `${crl}/broken.crl has an X509 CRL block that cannot be parsed; ${listForm}`,
  ]);
});

test('CAs of hosts and backends are looked at, too; the root of a private CA is written by control', async () => {
  await using dir = await tempDir();
  const authority = await TestCa.create();
  const { certPem } = await authority.issue({ dnsNames: ['app.internal'] });
  await writeFile(dir.join('leaf.pem'), certPem);
  const lines = await check(
    dir,
    `
  hosts: [{ names: [a.example.com], tls: { clientCertificates: { ca: gone.pem } } }]
  routes:
    - hosts: [a.example.com]
      backend: { endpoints: ["https://app.internal"], tls: { ca: [leaf.pem, { issuer: local }] } }
`,
  );
  assert.deepEqual(lines, [
    'error: terminator.hosts[0].tls.clientCertificates.ca: There is no file <dir>/gone.pem. Write the path of a PEM file with the certificates of CAs.',
    'warning: terminator.routes[0].backend.tls.ca: <dir>/leaf.pem has no certificate of a CA in it, so nothing verifies.',
  ]);
});

test('never (§5.9): ticket keys are 48 bytes in base64 each, for nobody else to read, and are not repeated', async () => {
  await using dir = await tempDir();
  const keys = dir.join('ticket.keys');
  const text = '{ ticketKeys: { file: ticket.keys } }';
  await writeFile(keys, `${key()}\n${key()}\n`, { mode: 0o600 });
  assert.deepEqual(await check(dir, text), []);
  await chmod(keys, 0o640);
  assert.deepEqual(await check(dir, text), [
    'warning: terminator.ticketKeys.file: <dir>/ticket.keys can be read by other users, who could then read recorded sessions; run chmod 600 <dir>/ticket.keys.',
  ]);
  await chmod(keys, 0o600);
  const form = 'write the path of a file with keys, one a line, as "openssl rand -base64 48" prints them.';
  for (const secret of ['hunter2', randomBytes(32).toString('base64'), `${key()}=`]) {
    await writeFile(keys, `${key()}\n${secret}\n`);
    assert.deepEqual(await check(dir, text), [
      `error: terminator.ticketKeys.file: <dir>/ticket.keys cannot be used: key number 2 is not 48 bytes in base64; ${form}`,
    ]);
  }
  await writeFile(keys, '\n');
  assert.deepEqual(await check(dir, text), [
    `error: terminator.ticketKeys.file: <dir>/ticket.keys cannot be used: there is no key in it; ${form}`,
  ]);
});

test('the access log needs a directory that can be written', async (t) => {
  await using dir = await tempDir();
  await mkdir(dir.join('logs'));
  await writeFile(dir.join('file'), '');
  assert.deepEqual(await check(dir, '{ accessLog: { file: logs/access.log } }'), []);
  assert.deepEqual(await check(dir, '{ accessLog: { file: logs } }'), [
    'warning: terminator.accessLog.file: <dir>/logs is a directory; write the path of a file.',
  ]);
  assert.deepEqual(await check(dir, '{ accessLog: { file: file/access.log } }'), [
    'warning: terminator.accessLog.file: <dir>/file is not a directory, so the directory of the access log <dir>/file cannot be used; write another path.',
  ]);
  if (process.getuid?.() === 0) return t.diagnostic('root may write everywhere');
  await chmod(dir.join('file'), 0o400);
  assert.deepEqual(await check(dir, '{ accessLog: { file: file } }'), [
    'warning: terminator.accessLog.file: This user may not write to <dir>/file; change its owner, or write another path.',
  ]);
});

test('only root can have workers run as somebody else, who has to be there', async (t) => {
  if (process.getuid === undefined) return t.skip('needs users');
  await using dir = await tempDir();
  const uid = t.mock.method(process as { getuid(): number }, 'getuid', () => 0);
  assert.deepEqual(await check(dir, '{ user: nobody }'), []);
  assert.deepEqual(await check(dir, '{ user: no-such-user }'), [
    'error: terminator.user: There is no user "no-such-user" in /etc/passwd. Create it, or correct the name.',
  ]);
  uid.mock.mockImplementation(() => 1_000);
  assert.deepEqual(await check(dir, '{ user: nobody }'), [
    'warning: terminator.user: Workers can change their user only when the terminator is started as root, which this user is not.',
  ]);
});
