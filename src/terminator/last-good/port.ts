import type { Bundle } from '../../core/bundle.ts';
import type { FeedItem, FeedKey, Revision } from '../../core/feed.ts';
import type { TableEntry } from '../intake/table.ts';

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
  /** Records that cannot be read; what they held is missing. */
  readonly unreadable: number;
}

/**
 * Two encrypted files that only grow, and are written anew when half of them is out of date: a rotation appends a few
 * kilobytes whatever the fleet's size, and a start reads one file. What is put first is there first: after a crash some
 * changes are merely seen twice. Nothing is synced to disk: what a power failure takes is fetched again.
 *
 * `load` comes first and once; it throws `terminator.cache-unreadable` when the directory or its key cannot be used at
 * all. Writing throws `terminator.cache-unwritable`; what could not be written is written with the next change, and no
 * revision before that. What is kept is encrypted with AES-256-GCM; the key stands in a 0600 file of its own.
 */
export interface LastGoodCache extends AsyncDisposable {
  load(): Promise<CachedState>;
  put(cached: CachedItem, bundle?: Bundle): Promise<void>;
  remove(source: string, key: FeedKey): Promise<void>;
  putRevision(source: string, revision: Revision): Promise<void>;
  /** The key material of a certificate; throws `terminator.cache-unreadable`. */
  bundle(source: string, key: FeedKey): Promise<Bundle>;
}
