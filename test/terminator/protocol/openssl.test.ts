import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { tlsPresets, type ClientCertificates } from '../../../src/core/tls-policy.ts';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa } from '../../support/test-ca.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import { proxyRoute, startTerminator, type TestTerminator } from '../support/harness.ts';
import { startSiteBackend, type Seen } from './site.ts';

const versions = ['-tls1_2', '-tls1_3'] as const;
/** So many connections that each of two workers has its turn. */
const turns = 10;

interface Answer {
  readonly text: string;
  readonly resumed: boolean;
  /** What the backend saw, where the request came that far. */
  readonly seen: Seen | undefined;
}

suite('openssl s_client', { skip: await missingTools('openssl') }, () => {
  const stack = new AsyncDisposableStack();
  let terminator: TestTerminator;
  let file: (name: string) => string;

  before(async () => {
    const directory = stack.use(await tempDir());
    file = (name) => directory.join(name);
    const [trusted, foreign] = await Promise.all([TestCa.create('Staff'), TestCa.create('Strangers')]);
    await writeFile(file('staff.pem'), trusted.certPem);
    for (const [name, ca] of [
      ['known', trusted],
      ['stranger', foreign],
    ] as const) {
      const leaf = await ca.issue({ client: true, commonName: name, dnsNames: [`${name}.staff.test`] });
      await writeFile(file(`${name}.pem`), leaf.certPem + leaf.keyPem);
    }
    const backend = stack.use(await startSiteBackend());
    const hosts = ['plain.test', 'require.test', 'optional.test'];
    const demands = (mode: ClientCertificates['mode']): ClientCertificates => ({
      mode,
      caFile: file('staff.pem'),
      depth: 1,
      subjects: ['*.staff.test'],
    });
    terminator = stack.use(
      await startTerminator({
        routes: hosts.map((host) => proxyRoute(host, backend.url)),
        settings: {
          hosts: (['require', 'optional'] as const).map((mode) => ({
            names: [`${mode}.test`],
            tls: { ...tlsPresets.intermediate, clientCertificates: demands(mode) },
          })),
        },
      }),
    );
    await writeFile(file('ca.pem'), terminator.ca.certPem);
    for (const host of hosts) await terminator.serve(`file/${host}`, 1, host);
  });
  after(async () => await stack.disposeAsync());

  /** One connection with one request on it. */
  async function ask(host: string, ...args: string[]): Promise<Answer> {
    const openssl = await findTool('openssl');
    const connection = ['-connect', `127.0.0.1:${terminator.httpsPort}`, '-servername', host];
    const trust = ['-CAfile', file('ca.pem'), '-verify_return_error', '-verify_hostname', host];
    const input = `GET /a HTTP/1.1\r\nHost: ${host}\r\nX-Client-Cert-Verified: success\r\nConnection: close\r\n\r\n`;
    const { stdout, stderr } = await openssl.run(['s_client', ...connection, ...trust, '-ign_eof', ...args], { input });
    const text = stdout + stderr;
    const body = /\r\n\r\n(\{.*\})/.exec(text)?.[1];
    return {
      text,
      resumed: /^Reused, /m.test(text),
      seen: body === undefined ? undefined : (JSON.parse(body) as Seen),
    };
  }

  /** How many of several connections resume the session that was stored. */
  async function resumptions(host: string, version: string, ...args: string[]): Promise<number> {
    let resumed = 0;
    for (let i = 0; i < turns; i += 1) {
      const answer = await ask(host, version, '-sess_in', file(`session${version}`), ...args);
      assert.ok(answer.seen, answer.text);
      resumed += Number(answer.resumed);
    }
    return resumed;
  }

  for (const version of versions) {
    test(`${version}: a session resumes at every worker, after a rotation, and with each change of settings`, async () => {
      const first = await ask('plain.test', version, '-sess_out', file(`session${version}`));
      assert.deepEqual([first.resumed, first.seen?.url], [false, '/a'], first.text);
      assert.equal(await resumptions('plain.test', version), turns);
      await terminator.serve('file/plain.test', version === '-tls1_2' ? 2 : 3, 'plain.test');
      assert.equal(await resumptions('plain.test', version), turns, 'after a rotation');
      const settings = { ...terminator.settings, limits: { ...terminator.settings.limits, headerCount: 150 } };
      await terminator.feed.acknowledged(terminator.feed.publish({ kind: 'settings', settings }));
      assert.equal(await resumptions('plain.test', version), turns, 'after other settings');
    });

    test(`never (§5.13): ${version}: a session of one host is taken for a host that asks for certificates`, async () => {
      await ask('plain.test', version, '-sess_out', file(`session${version}`));
      const { resumed, seen, text } = await ask('require.test', version, '-sess_in', file(`session${version}`));
      assert.deepEqual([resumed, seen], [false, undefined], text);
    });

    test(`${version}: a required client certificate is verified, told to the backend, and still known when resumed`, async () => {
      const known = ['-cert', file('known.pem')];
      const { seen, text } = await ask('require.test', version, ...known, '-sess_out', file(`session${version}`));
      assert.equal(seen?.headers['x-client-cert-verified'], 'success', text);
      assert.equal(seen.headers['x-client-cert-subject'], 'CN=known');
      for (let i = 0; i < turns; i += 1) {
        const again = await ask('require.test', version, ...known, '-sess_in', file(`session${version}`));
        const { headers } = again.seen ?? {};
        assert.ok(again.resumed, again.text);
        assert.deepEqual(
          [headers?.['x-client-cert-verified'], headers?.['x-client-cert-serial']],
          ['success', seen.headers['x-client-cert-serial']],
        );
      }
      const without = await ask('require.test', version);
      assert.equal(without.seen, undefined, without.text);
      assert.match(without.text, /alert (certificate required|handshake failure)/);
      const stranger = await ask('require.test', version, '-cert', file('stranger.pem'));
      assert.equal(stranger.seen, undefined, stranger.text);
    });

    test(`${version}: where a certificate is optional, the backend learns what there was of it, and from us alone`, async () => {
      const verified = async (...args: string[]): Promise<unknown> =>
        (await ask('optional.test', version, ...args)).seen?.headers['x-client-cert-verified'];
      assert.equal(await verified(), 'none');
      assert.equal(await verified('-cert', file('known.pem')), 'success');
      assert.match(String(await verified('-cert', file('stranger.pem'))), /^failed:/);
      const { seen } = await ask('plain.test', version);
      assert.equal(seen?.headers['x-client-cert-verified'], undefined, 'nobody asked, and the client cannot say so');
    });
  }

  test('what is offered: application protocols, groups, versions', async () => {
    assert.match((await ask('plain.test', '-alpn', 'h2,http/1.1')).text, /ALPN protocol: h2/);
    assert.match((await ask('plain.test', '-alpn', 'http/1.1')).text, /ALPN protocol: http\/1\.1/);
    assert.match((await ask('plain.test', '-alpn', 'spdy/3')).text, /no application protocol/);
    for (const group of ['X25519', 'P-256', 'P-384']) {
      const { text, seen } = await ask('plain.test', '-tls1_3', '-groups', group);
      assert.ok(seen, text);
    }
    assert.match((await ask('plain.test', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')).text, /alert|unsupported/);
  });
});
