import type { CertificateId, VersionId } from '../core/certificate.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Log } from '../core/ports/log.ts';
import type { VersionRecord } from '../core/records.ts';
import { allRecords } from './pages.ts';
import type { Row, Rows } from './rows.ts';

/**
 * Fills the table from the store. A version newer than the one its certificate points at is taken as `stored`: a crash
 * came between the two writes, or it waits for its notBefore (never §5.4). Nothing is written here.
 */
export async function loadRows(
  { store, rows, log }: { store: CertificateStore; rows: Rows; log: Log },
  signal: AbortSignal,
): Promise<void> {
  for await (const { value, revision } of allRecords(store, 'certificate', signal)) {
    rows.add({ entry: { record: value }, recordRevision: revision, orderRevision: undefined, versions: [] });
  }
  const newest = new Map<CertificateId, VersionRecord>();
  for await (const { value: version } of allRecords(store, 'version', signal)) {
    const row = rows.get(version.certificateId);
    if (row === undefined) {
      log.warn('A version belongs to no certificate; it is left alone.', { version: version.id });
      continue;
    }
    row.versions.push({ id: version.id, number: version.number });
    if (version.id === row.entry.record.currentVersion) row.entry = { ...row.entry, current: version };
    else if (version.number > (newest.get(version.certificateId)?.number ?? -1))
      newest.set(version.certificateId, version);
  }
  for await (const { value: order, revision } of allRecords(store, 'order', signal)) {
    const row = rows.get(order.certificateId);
    if (row === undefined) {
      log.warn('An order belongs to no certificate; it is left alone.', { certificate: order.certificateId });
      continue;
    }
    row.orderRevision = revision;
    row.entry = { ...row.entry, order };
  }
  for (const row of rows.all()) settleRow(row, newest.get(row.entry.record.id), log);
}

function settleRow(row: Row, newest: VersionRecord | undefined, log: Log): void {
  row.versions.sort((a, b) => a.number - b.number);
  const { record, current } = row.entry;
  if (record.currentVersion !== undefined && current === undefined) {
    log.error('The version a certificate points at is missing; the newest one that is there takes its place.', {
      certificate: record.id,
      version: record.currentVersion,
    });
  }
  if (newest !== undefined && newest.number > (current?.number ?? -1)) row.entry = { ...row.entry, stored: newest };
}

/** Versions beyond the newest `keep`, never one that is in use or waiting. */
export function surplusVersions({ entry, versions }: Row, keep: number): VersionId[] {
  return versions
    .slice(0, Math.max(0, versions.length - keep))
    .map(({ id }) => id)
    .filter((id) => id !== entry.current?.id && id !== entry.stored?.id);
}
