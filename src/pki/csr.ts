import { loadSigningKeys } from './keys.ts';
import { x509 } from './x509.ts';

/**
 * A certificate request (PKCS#10 PEM) that names hosts in the subjectAltName only: the common name is limited to 64
 * characters, is not a name any more (RFC 9525 §2), and a CA that wants one sets it itself.
 */
export async function createCsr(keyPem: string, dnsNames: readonly string[]): Promise<string> {
  const { keys, algorithm } = await loadSigningKeys(keyPem);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.SubjectAlternativeNameExtension(dnsNames.map((value) => ({ type: 'dns', value })))],
  });
  return `${request.toString('pem')}\n`;
}
