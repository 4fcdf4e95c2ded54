import { CertplaneError } from '../../src/core/errors.ts';
import {
  historyLimit,
  type CertificateStore,
  type Expectation,
  type HistoryQuery,
  type Page,
  type Put,
  type Stored,
} from '../../src/core/ports/certificate-store.ts';
import type { HistoryEntry, RecordKind, RecordKinds, SecretOf } from '../../src/core/records.ts';

interface Kept {
  readonly revision: string;
  /** JSON, so that nobody shares an object with the store. */
  readonly value: string;
  readonly secret: string | undefined;
}

/** What a test may do before a write happens: throw to make it fail, wait to make it slow. */
export type WriteHook = (operation: 'put' | 'delete', kind: RecordKind, key: string) => void | Promise<void>;

/** A store for tests of what stands above it. It outlives the parts that use it: a "restart" is new parts on the same store. */
export class MemoryStore implements CertificateStore {
  readonly #records = new Map<RecordKind, Map<string, Kept>>();
  #history: HistoryEntry[] = [];
  #revision = 0;
  #historyId = 0;
  /** Number of puts so far, per kind. */
  readonly puts = new Map<RecordKind, number>();
  beforeWrite: WriteHook | undefined;

  async get<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K>> {
    const found = await this.find(kind, key, signal);
    if (found === undefined) throw new CertplaneError('store.not-found', `There is no ${kind} record ${key}.`);
    return found;
  }

  async find<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<Stored<K> | undefined> {
    await turn(signal);
    const kept = this.#of(kind).get(key);
    return kept === undefined ? undefined : stored<K>(key, kept);
  }

  async secret<K extends RecordKind>(kind: K, key: string, signal?: AbortSignal): Promise<SecretOf<K>> {
    await turn(signal);
    const kept = this.#of(kind).get(key);
    if (kept?.secret === undefined) {
      throw new CertplaneError('store.not-found', `The ${kind} record ${key} has no secret.`);
    }
    return JSON.parse(kept.secret) as SecretOf<K>;
  }

  async list<K extends RecordKind>(
    kind: K,
    options: { prefix?: string; limit?: number; after?: string } = {},
    signal?: AbortSignal,
  ): Promise<Page<Stored<K>>> {
    await turn(signal);
    const { prefix = '', limit = 1000, after } = options;
    const keys = [...this.#of(kind).keys()]
      .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
      .toSorted();
    const items = keys.slice(0, limit).map((key) => stored<K>(key, this.#of(kind).get(key) as Kept));
    const next = keys.length > limit ? items.at(-1)?.key : undefined;
    return { items, ...(next === undefined ? {} : { next }) };
  }

  async put<K extends RecordKind>(kind: K, put: Put<K>, signal?: AbortSignal): Promise<string> {
    if (put.key.length === 0 || put.key.length > 512 || !put.key.isWellFormed()) {
      throw new CertplaneError('internal.unexpected', 'A key has 1 to 512 characters.');
    }
    const value = JSON.stringify(put.value);
    const newSecret = put.secret === undefined ? undefined : JSON.stringify(put.secret);
    await turn(signal);
    await this.beforeWrite?.('put', kind, put.key);
    const present = this.#of(kind).get(put.key);
    this.#check(kind, put.key, present, put.expect);
    this.#revision += 1;
    const revision = String(this.#revision);
    this.#of(kind).set(put.key, { revision, value, secret: newSecret ?? present?.secret });
    this.puts.set(kind, (this.puts.get(kind) ?? 0) + 1);
    return revision;
  }

  async delete(
    kind: RecordKind,
    key: string,
    expect: Exclude<Expectation, 'absent'>,
    signal?: AbortSignal,
  ): Promise<void> {
    await turn(signal);
    await this.beforeWrite?.('delete', kind, key);
    const present = this.#of(kind).get(key);
    this.#check(kind, key, present, expect);
    if (!this.#of(kind).delete(key)) throw new CertplaneError('store.not-found', `There is no ${kind} record ${key}.`);
  }

  async append(entry: Omit<HistoryEntry, 'id'>, signal?: AbortSignal): Promise<HistoryEntry> {
    await turn(signal);
    this.#historyId += 1;
    const full = { ...(JSON.parse(JSON.stringify(entry)) as Omit<HistoryEntry, 'id'>), id: this.#historyId };
    this.#history.push(full);
    if (this.#history.length > historyLimit) this.#history = this.#history.slice(-historyLimit);
    return full;
  }

  async history(query: HistoryQuery, signal?: AbortSignal): Promise<readonly HistoryEntry[]> {
    await turn(signal);
    return this.#history
      .filter(({ certificateId }) => query.certificateId === undefined || certificateId === query.certificateId)
      .filter(({ kind }) => query.kinds === undefined || query.kinds.includes(kind))
      .filter(({ id }) => query.before === undefined || id < query.before)
      .toReversed()
      .slice(0, query.limit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }

  #of(kind: RecordKind): Map<string, Kept> {
    let records = this.#records.get(kind);
    if (records === undefined) this.#records.set(kind, (records = new Map<string, Kept>()));
    return records;
  }

  #check(kind: RecordKind, key: string, present: Kept | undefined, expect: Expectation): void {
    if (expect === 'any') return;
    const holds = expect === 'absent' ? present === undefined : present?.revision === expect.revision;
    if (!holds) throw new CertplaneError('store.conflict', `The ${kind} record ${key} changed since it was read.`);
  }
}

function stored<K extends RecordKind>(key: string, { revision, value }: Kept): Stored<K> {
  return { key, revision, value: JSON.parse(value) as RecordKinds[K] };
}

async function turn(signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await Promise.resolve();
}
