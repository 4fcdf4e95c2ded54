/** The embedded store: one SQLite file in the data directory (WAL, full fsync). */
import { backup, type DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import {
  historyLimit,
  type CertificateStore,
  type Expectation,
  type HistoryQuery,
  type Page,
  type Put,
  type Stored,
} from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { HistoryEntry, RecordKind, RecordKinds, SecretOf } from '../core/records.ts';
import { databasePath, fileAt, preparePrivateDirectory, preparePrivateFile } from './data-dir.ts';
import type { EncryptionKey } from './encryption-key.ts';
import { HistoryTable } from './history-table.ts';
import { inspectDatabase, openReadOnly, openWritable } from './open-database.ts';
import { notFound, RecordTable, type Row } from './record-table.ts';
import { corrupt, storeError } from './sqlite-errors.ts';
import { WriteQueue } from './write-queue.ts';

const maxKeyLength = 512;
const maxPage = 10_000;
const defaultPage = 1_000;
const everyPage = 2 ** 31 - 1;

export interface SqliteStoreOptions {
  readonly dataDir: string;
  readonly key: EncryptionKey;
  readonly clock: Clock;
  readonly log: Log;
  /** For commands that only look; the writer may be running meanwhile. */
  readonly readOnly?: boolean;
  /** History entries kept; for tests. */
  readonly historyLimit?: number;
}

/**
 * Opens or creates `dataDir/certplane.db`. The caller holds the writer lock (`lock.ts`) unless `readOnly`.
 *
 * Throws `store.corrupt`, `store.too-new`, `store.key-wrong` (nothing was changed), `store.unavailable`, and
 * `store.not-found` when `readOnly` and there is no database.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { dataDir, key, clock, log, readOnly = false } = options;
  const path = databasePath(dataDir);
  try {
    const found = await fileAt(path);
    if (readOnly && (found === undefined || found.size === 0))
      throw new CertplaneError('store.not-found', `There is no database in ${dataDir} yet.`);
    if (!readOnly) {
      await preparePrivateDirectory(dataDir);
      await preparePrivateFile(path);
    }
    const startedAt = clock.now();
    if (found !== undefined && found.size > 0) inspectDatabase(path, key);
    const { database, migrated } = readOnly ? { database: openReadOnly(path), migrated: 0 } : openWritable(path, key);
    log.debug('The database is open.', { path, migrated, readOnly, checkMs: clock.now() - startedAt });
    return new SqliteStore(database, key, options.historyLimit ?? historyLimit);
  } catch (error) {
    throw storeError(error, path);
  }
}

export class SqliteStore implements CertificateStore {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #key: EncryptionKey;
  readonly #records: RecordTable;
  readonly #history: HistoryTable;
  readonly #queue: WriteQueue;
  readonly #copies = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(database: DatabaseSync, key: EncryptionKey, historyLimit: number) {
    this.path = database.location() ?? '';
    this.#database = database;
    this.#key = key;
    this.#records = new RecordTable(database);
    this.#history = new HistoryTable(database, historyLimit);
    this.#queue = new WriteQueue(database, this.path);
  }

  async get<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K>> {
    const found = await this.find(kind, key, signal);
    if (found === undefined) throw notFound(kind, key);
    return found;
  }

  async find<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K> | undefined> {
    const row = this.#read(() => this.#records.find(kind, key), signal);
    return row === undefined ? undefined : this.#parse<K>(kind, row);
  }

  async secret<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<SecretOf<K>> {
    const sealed = this.#read(() => this.#records.secret(kind, key), signal);
    if (sealed === undefined) throw notFound(kind, key);
    if (sealed === null) throw new CertplaneError('store.not-found', `The ${kind} record "${key}" has no secret.`);
    return JSON.parse(this.#key.open(identity(kind, key), sealed)) as SecretOf<K>;
  }

  async list<K extends RecordKind>(
    kind: K,
    options: { prefix?: string; limit?: number; after?: string } = {},
    signal?: AbortSignal,
  ): Promise<Page<Stored<K>>> {
    const { prefix = '', after = '' } = options;
    const limit = Math.min(Math.max(1, Math.floor(options.limit ?? defaultPage)), maxPage);
    const rows = this.#read(() => this.#records.list(kind, { prefix, after, limit: limit + 1 }), signal);
    const items = rows.slice(0, limit).map((row) => this.#parse<K>(kind, row));
    return rows.length > limit ? { items, next: items.at(-1)?.key } : { items };
  }

  async put<K extends RecordKind>(kind: K, put: Put<K>, signal?: AbortSignal): Promise<string> {
    checkKey(put.key);
    // Taken now: what the caller does to its objects afterwards is not what was put.
    const value = JSON.stringify(put.value);
    const secret =
      put.secret === undefined ? null : this.#key.seal(identity(kind, put.key), JSON.stringify(put.secret));
    const { key, expect } = put;
    return await this.#write(() => this.#records.put(kind, { key, value, secret, expect }), signal);
  }

  async delete(
    kind: RecordKind,
    key: string,
    expect: Exclude<Expectation, 'absent'>,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#write(() => this.#records.delete(kind, key, expect), signal);
  }

  async append(entry: Omit<HistoryEntry, 'id'>, signal?: AbortSignal): Promise<HistoryEntry> {
    const taken = structuredClone(entry);
    return await this.#write(() => this.#history.append(taken), signal);
  }

  async history(query: HistoryQuery, signal?: AbortSignal): Promise<readonly HistoryEntry[]> {
    return this.#read(() => this.#history.query(query), signal);
  }

  /** Copies the database to an empty file while it stays in use. The signal is looked at before and after. Throws `store.unavailable`. */
  async copyTo(file: string, signal: AbortSignal): Promise<void> {
    this.#checkOpen(signal);
    const copy = this.#copy(file);
    this.#copies.add(copy);
    try {
      await copy;
    } catch (error) {
      throw storeError(error, file);
    } finally {
      this.#copies.delete(copy);
    }
    signal.throwIfAborted();
  }

  /** Writes what was asked for and waits for copies under way, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  /**
   * On a connection of its own and in one step (off this thread): a step fails while its connection writes, and a copy
   * in several steps starts over whenever another one has written.
   */
  async #copy(file: string): Promise<void> {
    using source = openReadOnly(this.path);
    await backup(source, file, { rate: everyPage });
  }

  async #close(): Promise<void> {
    await this.#queue.drained();
    await Promise.allSettled(this.#copies);
    this.#database.close();
  }

  #read<T>(operation: () => T, signal: AbortSignal | undefined): T {
    this.#checkOpen(signal);
    try {
      return operation();
    } catch (error) {
      throw storeError(error, this.path);
    }
  }

  async #write<T>(operation: () => T, signal: AbortSignal | undefined): Promise<T> {
    this.#checkOpen(signal);
    try {
      return await this.#queue.run(operation, signal);
    } catch (error) {
      if (!(error instanceof CertplaneError && error.code === 'store.conflict')) this.#history.forgetCount();
      throw error;
    }
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw new CertplaneError('store.unavailable', 'The store is closed.');
  }

  #parse<K extends RecordKind>(kind: K, row: Row): Stored<K> {
    try {
      return { key: row.key, revision: row.revision, value: JSON.parse(row.value) as RecordKinds[K] };
    } catch (cause) {
      throw corrupt(this.path, `The ${kind} record "${row.key}" cannot be read.`, cause);
    }
  }
}

/** What a sealed secret is bound to. Kinds have no slash, so that two records never share one. */
function identity(kind: RecordKind, key: string): string {
  return `${kind}/${key}`;
}

function checkKey(key: string): void {
  if (key.length === 0 || key.length > maxKeyLength || !key.isWellFormed() || key.includes('\0'))
    throw new CertplaneError('internal.unexpected', `A record key has 1 to ${maxKeyLength} characters of valid text.`);
}
