import type { Bundle } from '../../core/bundle.ts';
import { toCertplaneError } from '../../core/errors.ts';
import type { FeedItem, FeedKey, Revision } from '../../core/feed.ts';
import type { LastGoodCache } from '../last-good/port.ts';
import type { Problems } from './problems.ts';
import type { TableEntry } from './table.ts';

/**
 * Where key material is between the source and the workers: on disk, encrypted, and in memory only until it is there.
 * The copy keeps the order of changes; a failed write is a problem, not an obstacle: that bundle stays in memory.
 */
export class MaterialStore {
  readonly #cache: LastGoodCache;
  readonly #problems: Problems;
  readonly #unsaved = new Map<string, Bundle>();
  readonly #writes = new Set<Promise<void>>();

  constructor(cache: LastGoodCache, problems: Problems) {
    this.#cache = cache;
    this.#problems = problems;
  }

  put(entry: TableEntry, item: FeedItem, bundle: Bundle): void {
    const id = memoryKey(entry);
    this.#unsaved.set(id, bundle);
    this.#keep(this.#cache.put({ source: entry.source, item, entry }, bundle), () => this.#unsaved.delete(id));
  }

  /** Settings and challenges. */
  putItem(source: string, item: FeedItem): void {
    this.#keep(this.#cache.put({ source, item }));
  }

  remove(source: string, key: FeedKey): void {
    this.#keep(this.#cache.remove(source, key));
  }

  /** Written after everything before it. */
  putRevision(source: string, revision: Revision): void {
    this.#keep(this.#cache.putRevision(source, revision));
  }

  async bundle(entry: TableEntry): Promise<Bundle> {
    const unsaved = this.#unsaved.get(memoryKey(entry));
    return unsaved ?? (await this.#cache.bundle(entry.source, `certificate/${entry.certificateId}`));
  }

  /** Ends when everything is written; nothing may be put in any more. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
    await this.#cache[Symbol.asyncDispose]();
  }

  #keep(write: Promise<void>, written?: () => void): void {
    const end = this.#watch(write, written).finally(() => this.#writes.delete(end));
    this.#writes.add(end);
  }

  async #watch(write: Promise<void>, written: (() => void) | undefined): Promise<void> {
    try {
      await write;
      written?.();
      this.#problems.clear('cache write');
    } catch (error) {
      const { code, message } = toCertplaneError(error, 'terminator.cache-unwritable');
      this.#problems.set('cache write', { code, message });
    }
  }
}

function memoryKey(entry: TableEntry): string {
  return `${entry.slot} ${entry.fingerprint256}`;
}
