/** The registry's table in memory and its writes: the store first, memory after. */
import type { CertificateId, VersionId } from '../core/certificate.ts';
import { hasCode } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type {
  CertificateRecord,
  OrderRecord,
  RecordKind,
  RecordKinds,
  SecretOf,
  VersionRecord,
} from '../core/records.ts';
import { sameData } from './same.ts';

/** One certificate as it stands. A new object after every change. */
export interface RegistryEntry {
  readonly record: CertificateRecord;
  /** The version in use. */
  readonly current?: VersionRecord | undefined;
  /** A version that is stored and not in use: until its notBefore, or because a crash or a full disk came in between. */
  readonly stored?: VersionRecord | undefined;
  readonly order?: OrderRecord | undefined;
  /** Something that follows from the records is not done yet (the feed, an order that is over); `finish` does it. */
  readonly unfinished?: boolean | undefined;
}

export interface Row {
  entry: RegistryEntry;
  recordRevision: string | undefined;
  orderRevision: string | undefined;
  /** Every stored version, oldest first. */
  versions: { readonly id: VersionId; readonly number: number }[];
}

interface Write<K extends RecordKind> {
  readonly key: string;
  readonly value: RecordKinds[K];
  readonly secret?: SecretOf<K> | undefined;
  /** Absent: the record must be new. */
  readonly revision: string | undefined;
}

/**
 * Compare-and-swap that takes its own earlier write for a success: an answer can be lost after the write happened.
 * Throws what the store throws.
 */
async function swap<K extends RecordKind>(
  store: CertificateStore,
  kind: K,
  write: Write<K>,
  signal: AbortSignal,
): Promise<string> {
  const { key, value, secret, revision } = write;
  try {
    const expect = revision === undefined ? 'absent' : { revision };
    return await store.put(kind, { key, value, expect, ...(secret === undefined ? {} : { secret }) }, signal);
  } catch (error) {
    if (!hasCode(error, 'store.conflict')) throw error;
    const found = await store.find(kind, key, signal);
    if (found === undefined || !sameData(found.value, value)) throw error;
    if (secret !== undefined && !sameData(await store.secret(kind, key, signal), secret)) throw error;
    return found.revision;
  }
}

export class Rows {
  readonly #store: CertificateStore;
  readonly #rows = new Map<CertificateId, Row>();

  constructor(store: CertificateStore) {
    this.#store = store;
  }

  get(id: CertificateId): Row | undefined {
    return this.#rows.get(id);
  }

  add(row: Row): void {
    this.#rows.set(row.entry.record.id, row);
  }

  delete(id: CertificateId): void {
    this.#rows.delete(id);
  }

  all(): IterableIterator<Row> {
    return this.#rows.values();
  }

  async create(record: CertificateRecord, signal: AbortSignal): Promise<void> {
    const write = { key: record.id, value: record, revision: undefined };
    const recordRevision = await swap(this.#store, 'certificate', write, signal);
    this.add({ entry: { record }, recordRevision, orderRevision: undefined, versions: [] });
  }

  /** Somebody else's change to the record (there should be nobody else) is taken over and reported as `store.conflict`. */
  async putRecord(row: Row, record: CertificateRecord, signal: AbortSignal): Promise<void> {
    const { id } = record;
    try {
      const write = { key: id, value: record, revision: row.recordRevision };
      row.recordRevision = await swap(this.#store, 'certificate', write, signal);
      row.entry = { ...row.entry, record };
    } catch (error) {
      if (hasCode(error, 'store.conflict')) {
        const found = await this.#store.get('certificate', id, signal);
        row.recordRevision = found.revision;
        row.entry = { ...row.entry, record: found.value };
      }
      throw error;
    }
  }

  async putOrder(row: Row, order: OrderRecord, keyPem: string | undefined, signal: AbortSignal): Promise<void> {
    const secret = keyPem === undefined ? undefined : { keyPem };
    const write = { key: order.certificateId, value: order, secret, revision: row.orderRevision };
    try {
      row.orderRevision = await swap(this.#store, 'order', write, signal);
      row.entry = { ...row.entry, order };
    } catch (error) {
      if (hasCode(error, 'store.conflict')) {
        const found = await this.#store.find('order', order.certificateId, signal);
        row.orderRevision = found?.revision;
        row.entry = { ...row.entry, order: found?.value };
      }
      throw error;
    }
  }

  async deleteOrder(row: Row, signal: AbortSignal): Promise<void> {
    if (row.orderRevision === undefined) return;
    // One writer: the order in memory is the order there, and deleting it twice does no harm.
    await ignoreNotFound(this.#store.delete('order', row.entry.record.id, 'any', signal));
    row.orderRevision = undefined;
    row.entry = { ...row.entry, order: undefined };
  }

  /** A version that is there already under that id (its answer was lost) stands: numbers are given out once. */
  async putVersion(row: Row, version: VersionRecord, keyPem: string, signal: AbortSignal): Promise<void> {
    const { id, number } = version;
    let stored = version;
    try {
      await this.#store.put('version', { key: id, value: version, secret: { keyPem }, expect: 'absent' }, signal);
    } catch (error) {
      if (!hasCode(error, 'store.conflict')) throw error;
      stored = (await this.#store.get('version', id, signal)).value;
    }
    row.versions = [...row.versions.filter((one) => one.id !== id), { id, number }];
    row.entry = { ...row.entry, stored };
  }

  async deleteVersion(row: Row, id: VersionId, signal: AbortSignal): Promise<void> {
    await ignoreNotFound(this.#store.delete('version', id, 'any', signal));
    row.versions = row.versions.filter((version) => version.id !== id);
  }

  async deleteRecord(row: Row, signal: AbortSignal): Promise<void> {
    await ignoreNotFound(this.#store.delete('certificate', row.entry.record.id, 'any', signal));
    this.delete(row.entry.record.id);
  }
}

async function ignoreNotFound(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasCode(error, 'store.not-found')) throw error;
  }
}
