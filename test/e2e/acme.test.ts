/** From an ACME server to what clients see: the real program against strict Pebble. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startCertplane } from '../support/certplane.ts';
import { startPebble } from '../support/pebble.ts';
import { findTool, missingTools } from '../support/tools.ts';
import { configFor, ready } from './shop.ts';
import { site } from './site.ts';

const skip = await missingTools('pebble', 'pebble-challtestsrv', 'openssl', 'curl');

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

    await certplane.restart();
    assert.equal((await ready(certplane, 'the state after a restart')).serial, second.serial);
    assert.equal(pebble.ordersCreated(), 2, 'a restart issues nothing (§5.4)');
  },
);
