/** Who a client is, as its certificate says. */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientIdentity } from '../proxy/exchange.ts';
import { clientCertificateError } from './node-tls.ts';
import type { ClientTrust } from './policy.ts';

/** A chain that is longer than the policy allows; not let in, in whatever mode. */
export const chainTooLong = 'CERT_CHAIN_TOO_LONG';

/** What a client has shown. `none`: nothing. Otherwise the identity, verified or with the reason why not. */
export function readIdentity(socket: TLSSocket, trust: ClientTrust): ClientIdentity | 'none' {
  const error = clientCertificateError(socket);
  const certificate = error === 'none' ? undefined : socket.getPeerX509Certificate();
  if (certificate === undefined) return 'none';
  const names = alternativeNames(certificate.subjectAltName);
  const reason = error ?? reasonAgainst(socket, certificate, { trust, names });
  return {
    verified: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    serial: certificate.serialNumber,
    fingerprint256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    names,
    certificate: certificate.raw,
  };
}

/** What the TLS library does not look at. */
function reasonAgainst(
  socket: TLSSocket,
  certificate: X509Certificate,
  { trust, names }: { trust: ClientTrust; names: readonly string[] },
): string | undefined {
  // A resumed session is as old as its ticket; the certificate may have ended meanwhile.
  if (certificate.validToDate.getTime() <= Date.now()) return 'CERT_HAS_EXPIRED';
  if (!socket.isSessionReused() && !isWithinDepth(socket, trust)) return chainTooLong;
  return subjectMatches(trust.subjects, certificate, names) ? undefined : 'SUBJECT_NOT_ALLOWED';
}

/**
 * Whether at most `depth` intermediate certificates lie between the client's and a trusted one. Every step is verified
 * anew: which chain the TLS library has found is not known, and a client may send certificates of all kinds. A resumed
 * session has only the leaf, but a connection that had too many is ended before its tickets leave, so none comes back.
 */
function isWithinDepth(socket: TLSSocket, { depth, anchors }: ClientTrust): boolean {
  let shown = socket.getPeerCertificate(true);
  let certificate = new X509Certificate(shown.raw);
  if (anchors.has(certificate.fingerprint256)) return true;
  for (let intermediates = 0; intermediates <= depth; intermediates += 1) {
    const next = shown.issuerCertificate as typeof shown | undefined;
    if (next === undefined || next === shown) return false;
    const issuer = new X509Certificate(next.raw);
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false;
    if (anchors.has(issuer.fingerprint256)) return true;
    shown = next;
    certificate = issuer;
  }
  return false;
}

function subjectMatches(patterns: readonly string[], certificate: X509Certificate, names: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  const candidates = [...names, ...commonNames(certificate.subject)];
  return patterns.some((pattern) => candidates.some((candidate) => matchesPattern(pattern, candidate)));
}

/** `*` stands for any characters, none included; everything else for itself, whatever its case. Never goes back. */
export function matchesPattern(pattern: string, text: string): boolean {
  const parts = pattern.toLowerCase().split('*');
  const rest = text.toLowerCase();
  const first = parts[0] as string;
  if (parts.length === 1) return rest === first;
  const last = parts.at(-1) as string;
  const end = rest.length - last.length;
  if (!rest.startsWith(first) || !rest.endsWith(last) || end < first.length) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = rest.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/**
 * RFC 4514 from what node gives: one RDN a line in the certificate's order, its values escaped as RFC 2253 asks, several
 * values of one RDN joined by ` + `; undefined for the empty name.
 */
export function distinguishedName(lines: string | undefined): string {
  return (lines ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .toReversed()
    .map((rdn) => rdn.replaceAll(' + ', '+'))
    .join(',');
}

/** The common names, unescaped. */
function commonNames(lines: string | undefined): string[] {
  return (lines ?? '')
    .split(/\n| \+ /)
    .filter((line) => line.startsWith('CN='))
    .map((line) => unescapeValue(line.slice(3)));
}

function unescapeValue(value: string): string {
  return value.replaceAll(/\\([0-9A-Fa-f]{2}|.)/g, (_, escaped: string) =>
    escaped.length === 2 ? String.fromCharCode(Number.parseInt(escaped, 16)) : escaped,
  );
}

/** One name: its kind and its value, in which what is quoted may contain anything. */
const listed = /(?:^|, )([^:,"]+):((?:"(?:[^"\\]|\\.)*"|[^,"])*)/y;

/** DNS, URI and e-mail names of a subjectAltName as node prints it: unusual values are quoted like JSON strings. */
export function alternativeNames(text = ''): string[] {
  const names: string[] = [];
  listed.lastIndex = 0;
  for (let found = listed.exec(text); found !== null; found = listed.exec(text)) {
    const [, kind, value = ''] = found;
    if (kind !== 'DNS' && kind !== 'URI' && kind !== 'email') continue;
    names.push(value.startsWith('"') ? (JSON.parse(value) as string) : value);
  }
  return names;
}
