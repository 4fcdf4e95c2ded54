import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import type { Bundle } from '../../../src/core/bundle.ts';
import { TestCa } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { connectPlain } from '../support/raw.ts';
import { startFront, type TestFront } from './support/front.ts';

const ca = await TestCa.create();

async function issue(...dnsNames: string[]): Promise<Bundle> {
  const leaf = await ca.issue({ dnsNames });
  return { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
}

test('a connection is let in with what is known of it', async () => {
  await using front = await startFront();
  await front.serve('a.test', await issue('a.test', '*.a.test'));
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
  assert.equal(tls.policyId, front.front.policyId('a.test'));
  assert.equal(front.front.pending, 0);
});
