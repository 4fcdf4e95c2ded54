import { feedKey, formatRevision, type FeedItem, type FeedKey, type Revision } from '../../core/feed.ts';

function isCertificate(key: FeedKey): boolean {
  return key.startsWith('certificate/');
}

/** never §5.7: a snapshot that lacks more than half of the known certificates removes none of them until that is confirmed. */
export class SnapshotBrake {
  #revision = '';
  #named = new Set<FeedKey>();
  #held = new Set<FeedKey>();

  get holds(): boolean {
    return this.#held.size > 0;
  }

  /** A part of a snapshot. A part of another revision begins a new one. */
  collect(revision: Revision, items: readonly FeedItem[]): void {
    const text = formatRevision(revision);
    if (text !== this.#revision) this.#named = new Set();
    this.#revision = text;
    for (const item of items) this.#named.add(feedKey(item));
  }

  /** The snapshot is complete: what it does not name is either gone, or held. */
  finish(known: readonly FeedKey[]): { gone: readonly FeedKey[]; held: readonly FeedKey[] } {
    const missing = known.filter((key) => !this.#named.has(key));
    const lost = missing.filter(isCertificate);
    const held = lost.length * 2 > known.filter(isCertificate).length;
    this.#held = new Set(held ? lost : []);
    this.#named = new Set();
    this.#revision = '';
    return { gone: missing.filter((key) => !this.#held.has(key) && key !== 'settings'), held: [...this.#held] };
  }

  /** Removed explicitly. */
  forget(key: FeedKey): void {
    this.#held.delete(key);
  }

  /** What is held, which is no longer held then. */
  confirm(): readonly FeedKey[] {
    const held = [...this.#held];
    this.#held.clear();
    return held;
  }
}
