import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import test from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import { createCsr } from '../../src/pki/csr.ts';
import { generatePrivateKey, loadSigningKeys } from '../../src/pki/keys.ts';
import { toolOrSkip } from '../support/tools.ts';

const policies = [
  { algorithm: 'ecdsa', size: 256 },
  { algorithm: 'ecdsa', size: 384 },
  { algorithm: 'rsa', size: 2048 },
  { algorithm: 'rsa', size: 3072 },
  { algorithm: 'rsa', size: 4096 },
] as const;

for (const policy of policies) {
  test(`an ${policy.algorithm} ${policy.size} key is PKCS#8, and openssl verifies the request it signs`, async (t) => {
    const openssl = await toolOrSkip(t, 'openssl');
    if (!openssl) return;
    const keyPem = await generatePrivateKey(policy);
    assert.ok(keyPem.startsWith('-----BEGIN PRIVATE KEY-----\n') && keyPem.endsWith('-----END PRIVATE KEY-----\n'));
    const { modulusLength, namedCurve } = createPrivateKey(keyPem).asymmetricKeyDetails ?? {};
    assert.equal(
      policy.algorithm === 'rsa' ? modulusLength : namedCurve,
      { 256: 'prime256v1', 384: 'secp384r1' }[policy.size as 256] ?? policy.size,
    );
    const csr = await createCsr(keyPem, ['shop.example.com', '*.apps.example.com']);
    const { code, stdout, stderr } = await openssl.run(['req', '-verify', '-noout', '-text'], { input: csr });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Subject: *\n/);
    assert.match(stdout, /DNS:shop\.example\.com, DNS:\*\.apps\.example\.com/);
  });
}

test('what is no private key is refused without showing it', async () => {
  for (const text of ['', 'secret', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n'])
    await assert.rejects(loadSigningKeys(text), (error) => {
      assert.ok(hasCode(error, 'certificate.unparsable') && error instanceof Error);
      assert.ok(!error.message.includes('secret') && !error.message.includes('c2Vj'));
      return true;
    });
});
