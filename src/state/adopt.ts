/** From an issued bundle to the version in use. The crash order: version, certificate, order, feed. */
import { readBundle, type Bundle } from '../core/bundle.ts';
import { versionId, type CertificateId } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import type { CertificateItem, FeedKey } from '../core/feed.ts';
import { judge, type Verdict } from '../core/policy.ts';
import { planRenewal } from '../core/renewal.ts';
import type { CertificateRecord, OrderRecord, VersionRecord } from '../core/records.ts';
import { sameData } from './same.ts';
import type { RegistryEntry } from './rows.ts';

/** Reasons for which a certificate that ends earlier is still the one wanted: somebody asked for another one, or the CA did. */
const replacesWhatLastsLonger = new Set(['names-changed', 'key-changed', 'lifetime-changed', 'requested', 'ari-past']);

/**
 * The version an order's bundle becomes, after everything that is always refused. Throws `certificate.unparsable`,
 * `certificate.key-mismatch`, `certificate.name-missing`, `certificate.expired`, `certificate.worse`.
 */
export function checkIssued(
  entry: RegistryEntry,
  order: OrderRecord,
  issued: { bundle: Bundle; caPem: string | undefined },
  now: number,
): VersionRecord {
  const { bundle, caPem } = issued;
  const facts = readBundle(bundle, order.request.dnsNames);
  if (facts.notAfter <= now) {
    throw new CertplaneError(
      'certificate.expired',
      'The issuer answered with a certificate that has already ended; it was not used.',
    );
  }
  const number = Math.max(order.versionNumber ?? 0, entry.record.nextNumber);
  const { certificateId, issuerName, digest } = order;
  const id = versionId(certificateId, number);
  const version = { ...facts, id, certificateId, number, issuerName, chainPem: bundle.chainPem, digest, issuedAt: now };
  const verdict = judgeVersion(entry, version, now);
  if (verdict.action === 'keep') throw new CertplaneError('certificate.worse', verdict.message);
  return caPem === undefined ? version : { ...version, caPem };
}

/**
 * never §5.1 for a stored version against the one in use. One that ends earlier may take its place when somebody asked
 * for another one, or when the one in use is to be renewed by now and the new one not for a while (another CA, a CA
 * whose certificates became shorter): refusing it would only order it again and again (§5.5).
 */
export function judgeVersion({ record, current, order }: RegistryEntry, version: VersionRecord, now: number): Verdict {
  const asked =
    version.digest !== record.issuedDigest ||
    (order !== undefined && replacesWhatLastsLonger.has(order.reason.code)) ||
    (current !== undefined &&
      planRenewal(record.id, current, record.ari).at <= now &&
      planRenewal(record.id, version).at > now);
  const validNow = version.notBefore <= now && now < version.notAfter;
  const rival =
    current !== undefined && asked && validNow
      ? { ...current, notAfter: Math.min(current.notAfter, version.notAfter) }
      : current;
  return judge(version, rival, { names: record.spec.dnsNames, now });
}

/** The record once `version` is in use (or held until it may be); what led to the issuance is settled either way. */
export function recordAfter(record: CertificateRecord, version: VersionRecord, inUse: boolean): CertificateRecord {
  const settled: CertificateRecord = {
    ...record,
    nextNumber: Math.max(record.nextNumber, version.number + 1),
    failures: 0,
    lastFailure: undefined,
    retryAt: undefined,
    renewalRequestedAt: undefined,
    lastAttemptAt: version.issuedAt,
  };
  if (!inUse) return settled;
  return { ...settled, currentVersion: version.id, issuedDigest: version.digest, ari: undefined };
}

export function feedItem(version: VersionRecord): CertificateItem {
  const { certificateId, id, names, notBefore, notAfter, serial, fingerprint256 } = version;
  return { kind: 'certificate', certificateId, versionId: id, names, notBefore, notAfter, serial, fingerprint256 };
}

/** Whether something that follows from the records is still to be done (see `RegistryEntry.unfinished`). */
export function isUnfinished({ current, stored, order }: RegistryEntry, published: unknown): boolean {
  const latest = Math.max(current?.number ?? 0, stored?.number ?? 0);
  if (order?.versionNumber !== undefined && order.versionNumber <= latest) return true;
  return current !== undefined && !sameData(published, feedItem(current));
}

/** Whether the failure an order ended in is not counted yet: a crash or a full disk came between the two writes. */
export function isOutcomeOpen({ record, order }: RegistryEntry): boolean {
  return order?.outcome !== undefined && record.lastFailure?.at !== order.outcome.failure.at;
}

/** The feed key of a certificate. */
export function certificateKey(certificateId: CertificateId): FeedKey {
  return `certificate/${certificateId}`;
}
