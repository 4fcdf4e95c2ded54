import type { FeedItem, FeedKey } from '../core/feed.ts';
import type { FeedRecord } from '../core/records.ts';

/**
 * The feed in memory: the latest record per key, readable from any sequence on. A change costs O(1) amortised, a read
 * O(log n + what changed): superseded places in the order are skipped, and dropped when they are the greater part.
 */
export class FeedLog {
  readonly #records = new Map<FeedKey, FeedRecord>();
  #order: FeedRecord[] = [];
  #removals: FeedRecord[] = [];
  #removedCount = 0;
  /** Removals up to here have been forgotten: who read less than this needs a snapshot. */
  floor = 0;
  sequence = 0;

  get(key: FeedKey): FeedRecord | undefined {
    return this.#records.get(key);
  }

  /** Records must come in order of their sequence. */
  add(record: FeedRecord): void {
    const present = this.#records.get(record.key);
    if (present !== undefined && present.item === undefined) this.#removedCount -= 1;
    this.#records.set(record.key, record);
    this.#order.push(record);
    if (record.item === undefined) {
      this.#removals.push(record);
      this.#removedCount += 1;
    }
    this.sequence = Math.max(this.sequence, record.sequence);
    if (this.#order.length > 2 * this.#records.size + 1000) this.#order = this.#order.filter(this.#isLatest);
  }

  items(): FeedItem[] {
    return [...this.#records.values()].flatMap(({ item }) => (item === undefined ? [] : [item]));
  }

  /** Latest records of everything still there, in order. */
  live(): FeedRecord[] {
    return this.#order.filter((record) => record.item !== undefined && this.#isLatest(record));
  }

  /** What changed after a sequence, in order. */
  after(sequence: number): FeedRecord[] {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] as FeedRecord).sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return this.#order.slice(low).filter(this.#isLatest);
  }

  /** The oldest removals beyond `limit`, in a batch worth the writing; none while there are fewer. */
  surplusRemovals(limit: number): FeedRecord[] {
    if (this.#removedCount <= limit) return [];
    const standing = this.#removals.filter(this.#isLatest);
    return standing.slice(0, standing.length - Math.floor(limit * 0.9));
  }

  forget(removals: readonly FeedRecord[]): void {
    for (const record of removals) {
      this.floor = Math.max(this.floor, record.sequence);
      if (this.#isLatest(record)) {
        this.#records.delete(record.key);
        this.#removedCount -= 1;
      }
    }
    this.#removals = this.#removals.filter(this.#isLatest);
    this.#order = this.#order.filter(this.#isLatest);
  }

  readonly #isLatest = (record: FeedRecord): boolean => this.#records.get(record.key) === record;
}
