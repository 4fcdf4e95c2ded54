/** Which of a host's certificates a connection is given. */
import type { ClientHello } from '../accept/client-hello.ts';
import type { HostCertificates, InUse } from './certificates.ts';

const tls13 = 0x0304;

/** Signature schemes of TLS 1.3 (RFC 8446 §4.2.3) that a key can sign with. */
const schemes: readonly (readonly [prefix: string, schemes: readonly number[]])[] = [
  ['ECDSA P-256', [0x0403]],
  ['ECDSA P-384', [0x0503]],
  ['ECDSA P-521', [0x0603]],
  ['ed25519', [0x0807]],
  ['ed448', [0x0808]],
  ['RSA', [0x0804, 0x0805, 0x0806]],
];

/**
 * The one that a TLS 1.3 client can use, those with smaller keys first: its signature schemes say all. For older clients
 * cipher suites count, too, so both are given, and the TLS library chooses.
 */
export function select({ best, alternative }: HostCertificates, hello: ClientHello): readonly [InUse, InUse?] {
  if (alternative === undefined) return [best];
  const ordered: [InUse, InUse] = isRsa(best) ? [alternative, best] : [best, alternative];
  if (!hello.versions.includes(tls13)) return ordered;
  const usable = ordered.find(({ keyAlgorithm }) => canUse(hello, keyAlgorithm));
  return usable === undefined ? ordered : [usable];
}

function isRsa({ keyAlgorithm = '' }: InUse): boolean {
  return keyAlgorithm.startsWith('RSA');
}

function canUse({ signatureAlgorithms }: ClientHello, keyAlgorithm = ''): boolean {
  const [, wanted = []] = schemes.find(([prefix]) => keyAlgorithm.startsWith(prefix)) ?? [];
  return wanted.some((scheme) => signatureAlgorithms.includes(scheme));
}

/** Names that all of them carry: whichever the TLS library takes, it is good for these. */
export function commonNames([first, second]: readonly [InUse, InUse?]): readonly string[] {
  return second === undefined ? first.names : first.names.filter((name) => second.names.includes(name));
}
