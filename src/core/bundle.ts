/** Reading issued material: PEM in, facts out. Everything is checked before anything is believed. */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { CertplaneError } from './errors.ts';
import { namesCover } from './names.ts';

/** Leaf first, then the chain, each PEM block ending in a newline; and the leaf's private key (PKCS#8 PEM). */
export interface Bundle {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** What a chain says about itself. Times are milliseconds since the epoch. */
export interface ChainFacts {
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** Upper-case hex as OpenSSL prints it. */
  readonly serial: string;
  /** SHA-256 of the leaf's DER, lower-case hex without colons. */
  readonly fingerprint256: string;
  readonly subject: string;
  readonly issuer: string;
  /** Number of certificates, the leaf included. */
  readonly chainLength: number;
  /** Each certificate's issuer is the next one's subject and its signature checks out. */
  readonly chainComplete: boolean;
  readonly keyAlgorithm: string;
}

/** A bundle is a few kilobytes; a megabyte is an accident or an attack. */
export const maxBundleBytes = 1_048_576;

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/** The CERTIFICATE blocks of a text, each ending in a newline. */
export function splitChain(pem: string): string[] {
  if (pem.length > maxBundleBytes)
    throw new CertplaneError('certificate.unparsable', 'The PEM text is larger than 1 MiB.');
  return [...pem.matchAll(pemBlock)].filter(([, kind]) => kind === 'CERTIFICATE').map(([block]) => `${block}\n`);
}

/** The first private key block of a text, ending in a newline. */
export function findPrivateKey(pem: string): string | undefined {
  if (pem.length > maxBundleBytes) return undefined;
  for (const [block, kind] of pem.matchAll(pemBlock)) if (kind?.endsWith('PRIVATE KEY') === true) return `${block}\n`;
  return undefined;
}

/** Facts of a chain. Throws `certificate.unparsable`. */
export function readChain(chainPem: string): ChainFacts {
  return factsOf(parseChain(chainPem));
}

/** Leaf first. */
function parseChain(chainPem: string): X509Certificate[] {
  const blocks = splitChain(chainPem);
  if (blocks.length === 0)
    throw new CertplaneError('certificate.unparsable', 'There is no CERTIFICATE block in the PEM text.');
  try {
    return blocks.map((block, i) => (i === 0 ? new X509Certificate(block) : issuerOf(block)));
  } catch (cause) {
    throw new CertplaneError('certificate.unparsable', 'A CERTIFICATE block cannot be parsed.', { cause });
  }
}

function factsOf(chain: readonly X509Certificate[]): ChainFacts {
  const leaf = chain[0] as X509Certificate;
  return {
    names: namesOf(leaf),
    notBefore: Date.parse(leaf.validFrom),
    notAfter: Date.parse(leaf.validTo),
    serial: leaf.serialNumber,
    fingerprint256: createHash('sha256').update(leaf.raw).digest('hex'),
    subject: leaf.subject ?? '',
    issuer: leaf.issuer ?? '',
    chainLength: chain.length,
    chainComplete: chain.every((one, i) => {
      const next = chain[i + 1];
      return next === undefined ? i > 0 || isSelfIssued(one) : one.checkIssued(next) && one.verify(next.publicKey);
    }),
    keyAlgorithm: describeKey(leaf),
  };
}

/** Issuers are shared by many certificates; parsing each once makes reading a large directory twice as fast. */
const issuers = new Map<string, X509Certificate>();
const mostIssuers = 200;

function issuerOf(pem: string): X509Certificate {
  let issuer = issuers.get(pem);
  if (issuer === undefined) {
    issuer = new X509Certificate(pem);
    if (issuers.size >= mostIssuers) issuers.clear();
    issuers.set(pem, issuer);
  }
  return issuer;
}

/** Facts of bundles whose key has been found to match: a bundle passes several hands, and each of them checks. */
const checked = new WeakMap<Bundle, Checked>();

interface Checked {
  readonly facts: ChainFacts;
  readonly signatureAlgorithm: string;
}

/**
 * Facts of a bundle, after everything never §5.1 always refuses has been refused: what does not parse
 * (`certificate.unparsable`), does not match its key (`certificate.key-mismatch`) or lacks a wanted name
 * (`certificate.name-missing`). Validity in time is not judged here.
 */
export function readBundle(bundle: Bundle, wantedNames: readonly string[] = []): ChainFacts {
  const { facts } = checkedOnce(bundle);
  const missing = wantedNames.find((name) => !namesCover(facts.names, name));
  if (missing !== undefined) {
    throw new CertplaneError(
      'certificate.name-missing',
      `The certificate does not carry ${missing} (it carries ${facts.names.join(', ')}).`,
    );
  }
  return facts;
}

/** How the leaf is signed, as OpenSSL names it (`ecdsa-with-SHA256`). Throws what `readBundle` throws. */
export function signatureAlgorithmOf(bundle: Bundle): string {
  return checkedOnce(bundle).signatureAlgorithm;
}

function checkedOnce(bundle: Bundle): Checked {
  let known = checked.get(bundle);
  if (known === undefined) checked.set(bundle, (known = readMatching(bundle)));
  return known;
}

function readMatching(bundle: Bundle): Checked {
  const chain = parseChain(bundle.chainPem);
  const leaf = chain[0] as X509Certificate;
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(bundle.keyPem));
  } catch (cause) {
    throw new CertplaneError('certificate.unparsable', 'The private key cannot be parsed.', { cause });
  }
  if (!matches)
    throw new CertplaneError('certificate.key-mismatch', 'The private key does not belong to the certificate.');
  return { facts: factsOf(chain), signatureAlgorithm: leaf.signatureAlgorithm ?? '' };
}

/** RFC 1035 §2.3.4, as text. */
const longestName = 253;

/** DNS names and IP addresses of the subjectAltName; the common name is not a name (RFC 9525 §2). */
function namesOf(leaf: X509Certificate): string[] {
  const names: string[] = [];
  // One after the other: inside a quoted value of another kind ", DNS:" is no name.
  for (const [, kind, value] of (leaf.subjectAltName ?? '').matchAll(/([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy)) {
    if (kind !== 'DNS' && kind !== 'IP Address') continue;
    const name = value ?? '';
    // Node quotes values with unusual characters; no valid host name needs that, or is as long: such a name matches nothing.
    if (!name.startsWith('"') && name.length <= longestName)
      names.push(kind === 'DNS' ? name.trim().toLowerCase() : name.trim());
  }
  return names;
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}

function describeKey(leaf: X509Certificate): string {
  const key = leaf.publicKey;
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'rsa') return `RSA ${details?.modulusLength ?? ''}`.trim();
  if (key.asymmetricKeyType === 'ec')
    return `ECDSA ${details?.namedCurve === 'prime256v1' ? 'P-256' : details?.namedCurve === 'secp384r1' ? 'P-384' : (details?.namedCurve ?? '')}`;
  return key.asymmetricKeyType ?? 'unknown';
}
