import { randomBytes } from 'node:crypto';
import { feedKey, formatRevision, type FeedItem, type FeedKey, type FeedLine, type Revision } from '../core/feed.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Log } from '../core/ports/log.ts';
import type { FeedRecord } from '../core/records.ts';
import { FeedLog } from './feed-log.ts';
import { Listeners } from './listeners.ts';
import { allRecords } from './pages.ts';
import { sameData } from './same.ts';
import { eachOf, Serial } from '../core/serial.ts';

/** So many removals are remembered; who has missed more starts from a snapshot. */
export const maxRemovals = 10_000;

/**
 * The feed: one item per key, each with the sequence it got, durable before anybody sees it, and readable from any
 * revision on. Kept over a restart, so that a subscriber goes on where it was. Challenge answers are kept as well: the CA
 * may look while control restarts.
 *
 * `publish`, `remove` and `load` throw what the store throws (`store.unavailable`, `store.corrupt`); nothing was
 * published then. Sequences become visible in order; a failed one is left out.
 */
export interface Feed {
  load(signal: AbortSignal): Promise<void>;
  /** The item's revision. An item that is there already, unchanged, keeps the one it has. */
  publish(item: FeedItem, signal: AbortSignal): Promise<Revision>;
  /** Nothing happens for a key that is not there. */
  remove(key: FeedKey, signal: AbortSignal): Promise<Revision>;
  revision(): Revision;
  items(): readonly FeedItem[];
  item(key: FeedKey): FeedItem | undefined;
  /** What changed after `since`; a snapshot without it, or when it is of another epoch or too long ago. */
  read(since?: Revision): { readonly snapshot: boolean; readonly lines: FeedLine[] };
  /** Called synchronously after each change has become visible. */
  onPublish(listener: (revision: Revision) => void): Disposable;
}

export function createFeed(deps: { store: CertificateStore; log: Log }): Feed {
  return new StoredFeed(deps.store, deps.log);
}

class StoredFeed implements Feed {
  readonly #store: CertificateStore;
  readonly #log: Log;
  readonly #listeners = new Listeners<Revision>();
  readonly #serial = new Serial();
  /** Keys whose last write failed without our knowing whether it happened. */
  readonly #suspect = new Set<FeedKey>();
  #lines = new FeedLog();
  #epoch = '';
  #assigned = 0;
  #tail: Promise<void> | undefined;

  constructor(store: CertificateStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  async load(signal: AbortSignal): Promise<void> {
    const records: FeedRecord[] = [];
    for await (const { value } of allRecords(this.#store, 'feed', signal)) records.push(value);
    const lines = new FeedLog();
    for (const record of records.toSorted((a, b) => a.sequence - b.sequence)) lines.add(record);
    const floor = await this.#store.find('setting', 'feed-floor', signal);
    lines.floor = Number(floor?.value.value ?? 0);
    const epoch = await this.#store.find('setting', 'feed-epoch', signal);
    if (epoch === undefined || lines.floor > lines.sequence) {
      // Without the epoch, or with a sequence behind what was handed out, old revisions mean nothing any more.
      lines.sequence = Math.max(lines.sequence, lines.floor);
      this.#epoch = randomBytes(12).toString('base64url');
      await this.#store.put('setting', { key: 'feed-epoch', value: { value: this.#epoch }, expect: 'any' }, signal);
      this.#log.info('The feed starts a new epoch.', { items: records.length });
    } else {
      this.#epoch = epoch.value.value;
    }
    this.#lines = lines;
    this.#assigned = lines.sequence;
  }

  async publish(item: FeedItem, signal: AbortSignal): Promise<Revision> {
    return await this.#write(feedKey(item), item, signal);
  }

  async remove(key: FeedKey, signal: AbortSignal): Promise<Revision> {
    const revision = await this.#write(key, undefined, signal);
    await this.#serial.run('', async () => await this.#forgetOldRemovals(signal));
    return revision;
  }

  revision(): Revision {
    return this.#at(this.#lines.sequence);
  }

  items(): readonly FeedItem[] {
    return this.#lines.items();
  }

  item(key: FeedKey): FeedItem | undefined {
    return this.#lines.get(key)?.item;
  }

  read(since?: Revision): { readonly snapshot: boolean; readonly lines: FeedLine[] } {
    const { sequence, floor } = this.#lines;
    if (since?.epoch === this.#epoch && since.sequence >= floor && since.sequence <= sequence) {
      return { snapshot: false, lines: this.#lines.after(since.sequence).map((record) => this.#line(record)) };
    }
    const revision = formatRevision(this.revision());
    const items = this.#lines.live().map((record) => this.#line(record));
    return {
      snapshot: true,
      lines: [{ type: 'snapshot-begin', revision }, ...items, { type: 'snapshot-end', revision }],
    };
  }

  onPublish(listener: (revision: Revision) => void): Disposable {
    return this.#listeners.add(listener);
  }

  async #write(key: FeedKey, item: FeedItem | undefined, signal: AbortSignal): Promise<Revision> {
    return await this.#serial.run(`key ${key}`, async () => {
      const present = this.#lines.get(key);
      if (!this.#suspect.has(key) && sameData(present?.item, item)) {
        return present === undefined ? this.revision() : this.#at(present.sequence);
      }
      this.#assigned += 1;
      const record: FeedRecord = { sequence: this.#assigned, key, item };
      const before = this.#tail;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#tail = promise;
      try {
        this.#suspect.add(key);
        await this.#store.put('feed', { key, value: record, expect: 'any' }, signal);
        this.#suspect.delete(key);
        // Writes may finish in any order; a reader that has seen 7 never gets 6 afterwards.
        await before;
        this.#lines.add(record);
      } finally {
        await before;
        resolve();
      }
      const revision = this.#at(record.sequence);
      this.#listeners.tell(revision);
      return revision;
    });
  }

  /** The floor is written before the removals go: after a crash in between nobody resumes past something forgotten. */
  async #forgetOldRemovals(signal: AbortSignal): Promise<void> {
    const surplus = this.#lines.surplusRemovals(maxRemovals);
    const last = surplus.at(-1);
    if (last === undefined) return;
    await this.#store.put(
      'setting',
      { key: 'feed-floor', value: { value: String(last.sequence) }, expect: 'any' },
      signal,
    );
    this.#lines.forget(surplus);
    await eachOf(surplus, 16, async ({ key }) => {
      await this.#serial.run(`key ${key}`, async () => {
        if (this.#lines.get(key) === undefined) await this.#store.delete('feed', key, 'any', signal);
      });
    });
  }

  #at(sequence: number): Revision {
    return { epoch: this.#epoch, sequence };
  }

  #line({ sequence, key, item }: FeedRecord): FeedLine {
    const revision = formatRevision(this.#at(sequence));
    return item === undefined ? { type: 'removed', revision, key } : { type: 'item', revision, item };
  }
}
