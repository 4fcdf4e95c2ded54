import { randomBytes } from 'node:crypto';
import { loadSigningKeys } from './keys.ts';
import { x509 } from './x509.ts';

/** Milliseconds since the epoch; certificates carry whole seconds. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A CA certificate with the key that signs in its name. */
export interface Signer {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Exactly `lifetimeMs` long and begun a little ago, for clients whose clocks are behind: min(5 min, lifetime/10). */
export function backdated(now: number, lifetimeMs: number): Validity {
  const start = now - Math.min(5 * 60_000, lifetimeMs / 10);
  const notBefore = Math.floor(start / 1000) * 1000;
  return { notBefore, notAfter: notBefore + Math.round(lifetimeMs / 1000) * 1000 };
}

/** A self-signed root that may have one CA below it. */
export async function createRoot(commonName: string, keyPem: string, validity: Validity): Promise<string> {
  return await build({ subject: caName(commonName), keyPem, validity, extensions: caExtensions(1) });
}

/** The CA below the root; it signs leaves and no further CA. */
export async function createIssuingCa(
  root: Signer,
  commonName: string,
  keyPem: string,
  validity: Validity,
): Promise<string> {
  return await build({ subject: caName(commonName), keyPem, validity, extensions: caExtensions(0), signer: root });
}

/** A server certificate for the names, for the public half of `keyPem`. */
export async function signLeaf(
  issuing: Signer,
  dnsNames: readonly string[],
  keyPem: string,
  validity: Validity,
): Promise<string> {
  const usage = new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true);
  return await build({
    ...leafNaming(dnsNames, [usage]),
    keyPem,
    validity,
    signer: issuing,
  });
}

/** A server certificate that vouches for itself. No key usage: its key signs both handshakes and the certificate. */
export async function selfSign(dnsNames: readonly string[], keyPem: string, validity: Validity): Promise<string> {
  return await build({ ...leafNaming(dnsNames, []), keyPem, validity });
}

interface Blueprint {
  readonly subject: x509.JsonName;
  readonly keyPem: string;
  readonly validity: Validity;
  readonly extensions: readonly x509.Extension[];
  /** Left out: signed with its own key. */
  readonly signer?: Signer;
}

async function build({ subject, keyPem, validity, extensions, signer }: Blueprint): Promise<string> {
  const own = await loadSigningKeys(keyPem);
  const by = signer === undefined ? own : await loadSigningKeys(signer.keyPem);
  const above = signer === undefined ? undefined : new x509.X509Certificate(signer.certPem);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: above === undefined ? subject : above.subjectName,
    notBefore: new Date(validity.notBefore),
    notAfter: new Date(validity.notAfter),
    publicKey: own.keys.publicKey,
    signingKey: by.keys.privateKey,
    signingAlgorithm: by.algorithm,
    extensions: [
      ...extensions,
      await x509.SubjectKeyIdentifierExtension.create(own.keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(above === undefined ? own.keys.publicKey : above.publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function caName(commonName: string): x509.JsonName {
  return [{ O: ['Certplane'] }, { CN: [commonName] }];
}

function caExtensions(pathLength: number): x509.Extension[] {
  return [
    new x509.BasicConstraintsExtension(true, pathLength, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ];
}

function leafNaming(dnsNames: readonly string[], usages: readonly x509.Extension[]) {
  // The common name is for people only; without one the subject is empty and the names must be critical (RFC 5280 §4.2.1.6).
  const commonName = dnsNames[0] !== undefined && dnsNames[0].length <= 64 ? dnsNames[0] : undefined;
  const names = dnsNames.map((value) => ({ type: 'dns' as const, value }));
  return {
    subject: commonName === undefined ? [] : [{ CN: [commonName] }],
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...usages,
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names, commonName === undefined),
    ],
  };
}

/** 128 random bits, positive and of constant length (RFC 5280 §4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
