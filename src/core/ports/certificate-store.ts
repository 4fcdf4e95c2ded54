import type { HistoryEntry, RecordKind, RecordKinds, SecretOf } from '../records.ts';

export interface Stored<K extends RecordKind> {
  readonly key: string;
  /** Opaque to callers but for comparing; given back in `put` and `delete`. */
  readonly revision: string;
  readonly value: RecordKinds[K];
}

/** A revision: the record must still be that one. `absent`: there must be none yet. `any`: whatever is there (only where one writer is certain). */
export type Expectation = { readonly revision: string } | 'absent' | 'any';

export interface Put<K extends RecordKind> {
  readonly key: string;
  readonly value: RecordKinds[K];
  /** Left out: the record's present secret stays (none for a new record). */
  readonly secret?: SecretOf<K> | undefined;
  readonly expect: Expectation;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Give it back to go on; absent at the end. */
  readonly next?: string | undefined;
}

export interface HistoryQuery {
  readonly certificateId?: string | undefined;
  readonly kinds?: readonly HistoryEntry['kind'][] | undefined;
  /** Entries with a smaller id. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/**
 * Where everything issued is kept. Compare-and-swap on one record; no operation spans two. The crash order is the
 * caller's: version before certificate, order before the request it describes.
 *
 * - `put` and `delete` are durable (fsync, or the API server's answer) when they resolve, or did not happen.
 * - `get` and `secret` throw `store.not-found`; `find` resolves undefined instead.
 * - `put` and `delete` throw `store.conflict` when the expectation does not hold; the record is as it was.
 * - Any of them throws `store.unavailable` when the medium fails (read-only, full) and `store.corrupt` when what is
 *   there cannot be read; reading secrets throws `store.key-wrong`.
 * - Records come back deeply equal to what was put. Keys are at most 512 characters.
 * - The signal only prevents an operation that has not begun.
 */
export interface CertificateStore extends AsyncDisposable {
  get<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K>>;
  find<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K> | undefined>;
  secret<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<SecretOf<K>>;
  /** In order of key; `limit` at most 10,000. Secrets are never listed. */
  list<K extends RecordKind>(
    kind: K,
    options?: { prefix?: string; limit?: number; after?: string },
    signal?: AbortSignal,
  ): Promise<Page<Stored<K>>>;
  /** Resolves the new revision. */
  put<K extends RecordKind>(kind: K, put: Put<K>, signal?: AbortSignal): Promise<string>;
  delete(kind: RecordKind, key: string, expect: Exclude<Expectation, 'absent'>, signal?: AbortSignal): Promise<void>;
  /** Assigns the id. May lose the newest entries in a crash; keeps at most `historyLimit` (oldest go first). */
  append(entry: Omit<HistoryEntry, 'id'>, signal?: AbortSignal): Promise<HistoryEntry>;
  /** Newest first. */
  history(query: HistoryQuery, signal?: AbortSignal): Promise<readonly HistoryEntry[]>;
}

export const historyLimit = 100_000;
