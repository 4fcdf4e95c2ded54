/**
 * Who the client is, for backends of hosts whose policy asks for client certificates. A client cannot say these headers
 * itself: they are taken out of every request, however they are spelt.
 *
 * - `X-Client-Cert-Verified`: `success`, `none` (no certificate was shown), or `failed:` and OpenSSL's reason.
 * - Only with `success`: `X-Client-Cert-Subject` and `-Issuer` (RFC 4514, ASCII: other characters as `\` and the
 *   hexadecimal digits of their UTF-8 bytes), `-Serial`, `-Fingerprint` (SHA-256, lower-case hex), and `Client-Cert`,
 *   the certificate as RFC 9440 writes it.
 */
import type { ClientIdentity } from './exchange.ts';

const none: readonly string[] = ['X-Client-Cert-Verified', 'none'];
const written = new WeakMap<ClientIdentity, readonly string[]>();

/** The headers for a backend; one list for all requests of a connection. */
export function identityHeaders(identity: ClientIdentity | undefined): readonly string[] {
  if (identity === undefined) return none;
  let headers = written.get(identity);
  if (headers === undefined) written.set(identity, (headers = write(identity)));
  return headers;
}

function write({ verified, reason, subject, issuer, serial, fingerprint256, certificate }: ClientIdentity): string[] {
  if (!verified) return ['X-Client-Cert-Verified', `failed:${ascii(reason ?? 'unknown')}`];
  return [
    'X-Client-Cert-Verified',
    'success',
    'X-Client-Cert-Subject',
    ascii(subject),
    'X-Client-Cert-Issuer',
    ascii(issuer),
    'X-Client-Cert-Serial',
    ascii(serial),
    'X-Client-Cert-Fingerprint',
    ascii(fingerprint256),
    'Client-Cert',
    `:${certificate.toString('base64')}:`,
  ];
}

/** RFC 4514 §2.4 allows every character to be written this way; a header value must not hold others. */
function ascii(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, (others) =>
    [...Buffer.from(others)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
