/** What is wanted: the certificates of the file, and one for each route host that none of them covers. */
import { type CertificateSpec, routeCertificateId } from '../core/certificate.ts';
import { isWildcard, wildcardFor } from '../core/names.ts';
import { defaultKey } from './certificates.ts';
import type { Path } from './position.ts';

/** A host that is to be served, and where the file says so. */
export interface HostUse {
  readonly host: string;
  readonly path: Path;
}

export interface AutomaticCertificate {
  readonly path: Path;
  readonly spec: Omit<CertificateSpec, 'issuers'>;
}

/**
 * One certificate per host that no certificate of the file covers; wildcard hosts first, because theirs covers the
 * hosts below. `names` are those of the certificates in the file.
 */
export function automaticCertificates(hosts: readonly HostUse[], names: Iterable<string>): AutomaticCertificate[] {
  const covered = new Set(names);
  const wildcardsFirst = [
    ...hosts.filter(({ host }) => isWildcard(host)),
    ...hosts.filter(({ host }) => !isWildcard(host)),
  ];
  const automatic: AutomaticCertificate[] = [];
  for (const { host, path } of wildcardsFirst) {
    const wildcard = isWildcard(host) ? undefined : wildcardFor(host);
    if (covered.has(host) || (wildcard !== undefined && covered.has(wildcard))) continue;
    covered.add(host);
    automatic.push({
      path,
      spec: { id: routeCertificateId(host), name: host, dnsNames: [host], key: defaultKey, outputs: [] },
    });
  }
  return automatic;
}

/** By id, in the order of code points, whatever the language of the machine. */
export function sortedById(certificates: readonly CertificateSpec[]): CertificateSpec[] {
  return certificates.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}
