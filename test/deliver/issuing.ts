import { createHash, X509Certificate } from 'node:crypto';
import type { Bundle } from '../../src/core/bundle.ts';
import { versionId } from '../../src/core/certificate.ts';
import type { DeliverableVersion } from '../../src/core/ports/output.ts';
import { TestCa } from '../support/test-ca.ts';

const ca = TestCa.create();

/** Version `number` of a certificate, issued by a throw-away CA. */
export async function issueVersion(certificateId: string, number: number): Promise<DeliverableVersion> {
  const leaf = await (await ca).issue({ dnsNames: ['shop.example.com'] });
  const bundle: Bundle = { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
  const fingerprint256 = createHash('sha256').update(new X509Certificate(leaf.certPem).raw).digest('hex');
  return { certificateId, versionId: versionId(certificateId, number), bundle, fingerprint256 };
}
