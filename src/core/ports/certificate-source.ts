import type { Bundle } from '../bundle.ts';
import type { VersionId } from '../certificate.ts';
import type { FeedItem, FeedKey, Revision } from '../feed.ts';

export type SourceEvent =
  /** The whole set, in parts; the last part has `complete`. What no part names is gone, subject to the brake (never §5.7). */
  | {
      readonly type: 'snapshot';
      readonly items: readonly FeedItem[];
      readonly revision: Revision;
      readonly complete: boolean;
    }
  | { readonly type: 'item'; readonly item: FeedItem; readonly revision: Revision }
  /** An explicit removal: stops being served at once. */
  | { readonly type: 'removed'; readonly key: FeedKey; readonly revision: Revision }
  /** The source cannot be read right now; nothing changes for what is served. `undefined`: readable again. */
  | {
      readonly type: 'trouble';
      readonly problem:
        { readonly code: string; readonly message: string; readonly subject?: string | undefined } | undefined;
    };

/**
 * What a terminator reads: the feed, a directory of PEM files, Kubernetes Secrets, later a remote control plane.
 *
 * `subscribe` yields a snapshot and then changes in order; with `since` it may leave the snapshot out when nothing was
 * missed, and a gap always means a new snapshot. It reconnects by itself and ends only with the signal (it returns, it
 * does not throw). One subscriber at a time.
 * `material` throws `store.not-found` for a version the source no longer has, `terminator.source-unreadable` otherwise.
 */
export interface CertificateSource {
  /** `feed`, `files:<directory>`, `secrets:<namespace>`; stands in served-by reports. */
  readonly name: string;
  subscribe(options: { since?: Revision | undefined; signal: AbortSignal }): AsyncIterable<SourceEvent>;
  material(versionId: VersionId, signal: AbortSignal): Promise<Bundle>;
}
