/** From an ACME server to what clients see: the real program against strict Pebble. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import { acmeSteps } from '../../src/issue/acme-state.ts';
import { completionSteps } from '../../src/state/steps.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { startPebble, type Pebble } from '../support/pebble.ts';
import { findTool, missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { site, terminatorOf, type Site } from './site.ts';

const skip = await missingTools('pebble', 'pebble-challtestsrv', 'openssl', 'curl');

function configFor(place: Site, pebble: Pebble): string {
  return `${place.base}
issuers:
  pebble:
    acme: { directory: '${pebble.directoryUrl}', email: ops@example.com, caBundle: '${pebble.caFile}', solvers: [{ http01: {} }] }
defaults: { issuers: [pebble] }
certificates:
  shop:
    dnsNames: [shop.example, www.shop.example]
    outputs: [{ files: { directory: ./live/shop } }]
${terminatorOf(place)}
  routes:
    - hosts: [shop.example, www.shop.example]
      respond: { status: 200, body: "the shop\\n" }
`;
}

async function show(certplane: Certplane): Promise<CertificateDetail> {
  const { stdout, stderr } = await certplane.cli(['show', 'shop', '--json']);
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as CertificateDetail;
}

async function ready(certplane: Certplane, what: string): Promise<CertificateDetail> {
  return await until(
    async () => {
      const shown = await show(certplane);
      return shown.phase.state === 'ready' && shown.delivery.state === 'delivered' ? shown : undefined;
    },
    { timeoutMs: 60_000, everyMs: 200, what },
  );
}

test(
  'a certificate with two names is issued over http-01 through the terminator, written, served and renewed',
  { skip },
  async () => {
    const place = await site();
    await using pebble = await startPebble({ httpPort: place.http });
    await using certplane = await startCertplane({ configYaml: configFor(place, pebble) });
    const first = await ready(certplane, 'the first certificate');

    const live = join(certplane.dir, 'live', 'shop');
    const rootFile = join(certplane.dir, 'pebble-root.pem');
    await writeFile(rootFile, await pebble.rootPem());
    const openssl = await findTool('openssl');
    const verified = await openssl.run([
      'verify',
      '-CAfile',
      rootFile,
      '-untrusted',
      join(live, 'chain.pem'),
      join(live, 'cert.pem'),
    ]);
    assert.match(verified.stdout, /: OK/, verified.stderr);
    const leaf = new X509Certificate(await readFile(join(live, 'fullchain.pem')));
    assert.equal(leaf.serialNumber, first.serial);

    const curl = await findTool('curl');
    for (const host of ['shop.example', 'www.shop.example']) {
      const target = `${host}:${place.https}`;
      const got = await curl.run([
        '-sS',
        '--cacert',
        rootFile,
        '--connect-to',
        `${target}:127.0.0.1:${place.https}`,
        `https://${target}/`,
      ]);
      assert.equal(got.stdout, 'the shop\n', got.stderr);
    }

    const renewed = await certplane.cli(['renew', 'shop', '--wait']);
    assert.equal(renewed.code, 0, renewed.stderr);
    const second = await ready(certplane, 'the renewal');
    assert.notEqual(second.serial, first.serial);
    assert.equal(new X509Certificate(await readFile(join(live, 'cert.pem'))).serialNumber, second.serial);
    assert.deepEqual(
      second.servedBy.map(({ serial, upToDate }) => ({ serial, upToDate })),
      [{ serial: second.serial, upToDate: true }],
    );
    assert.equal(pebble.ordersCreated(), 2);
    assert.equal(pebble.countRequests('HEAD /nonce-plz'), 0, 'nonces come from the pool');

    await certplane.restart();
    assert.equal((await ready(certplane, 'the state after a restart')).serial, second.serial);
    assert.equal(pebble.ordersCreated(), 2, 'a restart issues nothing (§5.4)');
  },
);

for (const step of [...acmeSteps, ...completionSteps]) {
  test(
    `never (§5.4): killed right after the step "${step}" is kept, the order is resumed and nothing is ordered twice`,
    { skip },
    async () => {
      const place = await site();
      await using pebble = await startPebble({ httpPort: place.http });
      const options = `--import=${join(import.meta.dirname, '..', 'support', 'kill-at-step.ts')}`;
      await using certplane = await startCertplane({
        configYaml: configFor(place, pebble),
        waitReady: false,
        env: { NODE_OPTIONS: options, KILL_AT_STEP: step, KILL_ONCE: join('.', 'killed') },
      });
      await until(() => existsSync(join(certplane.dir, 'killed')), { timeoutMs: 30_000, what: `the step ${step}` });
      await ready(certplane, `the certificate after the kill at ${step}`);
      assert.equal(pebble.ordersCreated(), 1);
      assert.equal(pebble.certificatesIssued(), 1);
    },
  );
}
