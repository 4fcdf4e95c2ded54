import type { Bundle } from '../../core/bundle.ts';
import type { FeedItem, FeedKey, Revision } from '../../core/feed.ts';
import type { TableEntry } from './table.ts';

/** What is kept of one item. Certificates that passed the checks carry their entry and key material. */
export interface CachedItem {
  readonly source: string;
  readonly item: FeedItem;
  readonly entry?: TableEntry | undefined;
}

export interface CachedState {
  readonly items: readonly CachedItem[];
  /** By source: everything up to there is in `items`. */
  readonly revisions: ReadonlyMap<string, Revision>;
  /** Files that cannot be read; what they held is missing. */
  readonly unreadable: number;
}

/**
 * One encrypted file per item, replaced by rename, so that a rotation writes a few kilobytes whatever the fleet's size.
 * Items are written before the revision that covers them: after a crash some changes are merely seen twice. Nothing is
 * synced to disk: what a power failure takes is fetched again.
 *
 * `load` throws `terminator.cache-unreadable` when the directory or its key cannot be used at all. Writing throws
 * `terminator.cache-unwritable`. What is cached is encrypted with AES-256-GCM; the key stands in a 0600 file of its own.
 */
export interface LastGoodCache {
  load(): Promise<CachedState>;
  put(cached: CachedItem, bundle?: Bundle): Promise<void>;
  remove(source: string, key: FeedKey): Promise<void>;
  putRevision(source: string, revision: Revision): Promise<void>;
  /** The key material of a certificate; throws `terminator.cache-unreadable`. */
  bundle(source: string, key: FeedKey): Promise<Bundle>;
}
