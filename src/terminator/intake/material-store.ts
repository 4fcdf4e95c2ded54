import type { Bundle } from '../../core/bundle.ts';
import { toCertplaneError } from '../../core/errors.ts';
import type { FeedItem, FeedKey, Revision } from '../../core/feed.ts';
import type { LastGoodCache } from './last-good.ts';
import type { Problems } from './problems.ts';
import type { TableEntry } from './table.ts';

/**
 * Where key material is between the source and the workers: on disk, encrypted, and in memory only until it is there.
 * Writes happen one after the other, in order; a failed one is a problem, not an obstacle: that bundle stays in memory.
 */
export class MaterialStore {
  readonly #cache: LastGoodCache;
  readonly #problems: Problems;
  readonly #unsaved = new Map<string, Bundle>();
  readonly #revisions = new Map<string, Revision>();
  #queue: Promise<void> = Promise.resolve();
  #queued = 0;
  #failed = false;

  constructor(cache: LastGoodCache, problems: Problems) {
    this.#cache = cache;
    this.#problems = problems;
  }

  put(entry: TableEntry, item: FeedItem, bundle: Bundle): void {
    const id = memoryKey(entry);
    this.#unsaved.set(id, bundle);
    this.#enqueue(async () => {
      await this.#cache.put({ source: entry.source, item, entry }, bundle);
      this.#unsaved.delete(id);
    });
  }

  /** Settings and challenges. */
  putItem(source: string, item: FeedItem): void {
    this.#enqueue(() => this.#cache.put({ source, item }));
  }

  remove(source: string, key: FeedKey): void {
    this.#enqueue(() => this.#cache.remove(source, key));
  }

  /** Written when everything before it is. */
  putRevision(source: string, revision: Revision): void {
    this.#revisions.set(source, revision);
    this.#enqueue(() => Promise.resolve());
  }

  async bundle(entry: TableEntry): Promise<Bundle> {
    const unsaved = this.#unsaved.get(memoryKey(entry));
    return unsaved ?? (await this.#cache.bundle(entry.source, `certificate/${entry.certificateId}`));
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await this.#queue;
  }

  #enqueue(write: () => Promise<void>): void {
    this.#queued += 1;
    this.#queue = this.#afterQueue(this.#queue, write);
  }

  async #afterQueue(queue: Promise<void>, write: () => Promise<void>): Promise<void> {
    await queue;
    this.#queued -= 1;
    try {
      await write();
      if (this.#queued === 0 && !this.#failed) await this.#writeRevisions();
      this.#problems.clear('cache write');
    } catch (error) {
      this.#failed = true; // a revision would claim what is not there
      const { code, message } = toCertplaneError(error, 'terminator.cache-unwritable');
      this.#problems.set('cache write', { code, message });
    }
  }

  /** Only when nothing is left to write: a revision covers everything before it. */
  async #writeRevisions(): Promise<void> {
    for (const [source, revision] of this.#revisions) {
      this.#revisions.delete(source);
      await this.#cache.putRevision(source, revision);
    }
  }
}

function memoryKey(entry: TableEntry): string {
  return `${entry.slot} ${entry.fingerprint256}`;
}
