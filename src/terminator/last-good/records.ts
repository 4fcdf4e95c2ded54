/** What stands in the index file, record by record. */
import type { FeedItem, FeedKey, Revision } from '../../core/feed.ts';
import type { TableEntry } from '../intake/table.ts';
import type { CachedItem } from './port.ts';
import type { Place } from './record-file.ts';

export type IndexRecord =
  /** The first one: which file has the key material. */
  | { readonly kind: 'begin'; readonly generation: string }
  | {
      readonly kind: 'item';
      readonly source: string;
      readonly item: FeedItem;
      /** What the item does not say already. */
      readonly entry?: Partial<TableEntry>;
      readonly material?: Place | undefined;
    }
  | { readonly kind: 'removed'; readonly source: string; readonly key: FeedKey }
  | { readonly kind: 'revision'; readonly source: string; readonly revision: Revision };

export type ItemRecord = Extract<IndexRecord, { kind: 'item' }>;

/** An entry says most of what its item says: writing it once makes a start with many certificates half as long. */
export function packItem({ source, item, entry }: CachedItem, material: Place | undefined): ItemRecord {
  if (entry === undefined || item.kind !== 'certificate') return { kind: 'item', source, item, material };
  const rest = Object.entries(entry).filter(
    ([name, value]) => JSON.stringify(item[name as keyof typeof item]) !== JSON.stringify(value),
  );
  return { kind: 'item', source, item, entry: Object.fromEntries(rest), material };
}

export function unpackItem({ source, item, entry }: ItemRecord): CachedItem {
  if (entry === undefined || item.kind !== 'certificate') return { source, item };
  const { kind: _kind, ...facts } = item;
  return { source, item, entry: { ...facts, ...entry } as TableEntry };
}

export function recordKey(source: string, key: FeedKey): string {
  return `${source}\n${key}`;
}
