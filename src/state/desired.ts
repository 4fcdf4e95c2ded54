/** What a new set of desired certificates changes. Pure. */
import { specDigest, type CertificateId, type CertificateSpec } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import type { CertificateRecord } from '../core/records.ts';
import { sameData } from './same.ts';

export interface DesiredChanges {
  readonly added: readonly CertificateRecord[];
  /** Records as they become; those that come back after a removal are among them. */
  readonly changed: readonly CertificateRecord[];
  readonly removed: readonly CertificateRecord[];
}

export function compareDesired(
  wanted: ReadonlyMap<CertificateId, CertificateSpec>,
  known: readonly CertificateRecord[],
  now: number,
): DesiredChanges {
  const ids = new Set(known.map(({ id }) => id));
  const added = [...wanted.values()]
    .filter(({ id }) => !ids.has(id))
    .map((spec) => ({ id: spec.id, spec, createdAt: now, nextNumber: 1, failures: 0, outputs: {} }));
  const changes = known.flatMap((record) => desiredRecord(record, wanted.get(record.id), now) ?? []);
  const changed = changes.filter(({ id }) => wanted.has(id));
  const removed = changes.filter(({ id }) => !wanted.has(id));
  return { added, changed, removed };
}

/** The record as its spec (absent: no longer wanted) makes it; undefined when it stays as it is. */
export function desiredRecord(
  record: CertificateRecord,
  spec: CertificateSpec | undefined,
  now: number,
): CertificateRecord | undefined {
  if (spec === undefined) return record.removedAt === undefined ? { ...record, removedAt: now } : undefined;
  return record.removedAt !== undefined || !sameData(record.spec, spec) ? withSpec(record, spec) : undefined;
}

/** never §5.7: a set that loses more than half, or everything, is taken for an accident. Throws `config.removal-held`. */
export function refuseMassRemoval(removed: number, managed: number): void {
  if (removed * 2 > managed) {
    throw new CertplaneError(
      'config.removal-held',
      `The new configuration removes ${removed} of ${managed} certificates; nothing was changed. ` +
        'If that is meant, apply it with --accept-removal.',
    );
  }
}

function withSpec(record: CertificateRecord, spec: CertificateSpec): CertificateRecord {
  const { removedAt: _, purgeSeenAt: _seen, ...kept } = record;
  const outputs = new Set(spec.outputs.map(({ id }) => id));
  const next: CertificateRecord = {
    ...kept,
    spec,
    outputs: Object.fromEntries(Object.entries(record.outputs).filter(([id]) => outputs.has(id))),
  };
  if (specDigest(spec) === specDigest(record.spec) && sameData(spec.issuers, record.spec.issuers)) return next;
  // What failed was another request: the new one starts without its back-off (a CA's Retry-After is kept elsewhere).
  return { ...next, failures: 0, retryAt: undefined };
}
