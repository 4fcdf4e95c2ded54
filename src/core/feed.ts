/**
 * The feed: ordered changes with a revision, the only way a change reaches a terminator.
 *
 * Wire protocol, plain HTTP/1.1 over the unix socket `dataDir/run/feed.sock` (directory 0700):
 *   GET  /feed?since=EPOCH.SEQUENCE   200 application/x-ndjson, one `FeedLine` per line, never ends by itself.
 *        Header `certplane-terminator: <id>` names the subscriber; `certplane-session: <nonce>` its process, so that
 *        acknowledgements of another one under the same name do not count for it. Without `since`, or when the log no longer reaches
 *        back that far, or the epoch is another one, the stream starts with a snapshot.
 *   GET  /material/{versionId}        200 application/json `Bundle`; 404 problem document. `versionId` percent-encoded.
 *   POST /acknowledge                 `Acknowledgement`, 204.
 *   POST /served                      `ServedReport`, 204.
 * A snapshot is `snapshot-begin`, any number of `item` lines, `snapshot-end`; what it does not name is gone.
 * After it (or after a resume) come `item` and `removed` lines in order of their revision, and a `ping` every 10 s.
 */
import type { CertificateId, VersionId } from './certificate.ts';
import type { ErrorCode } from './errors.ts';
import type { TerminatorSettings } from './terminator.ts';

export interface Revision {
  /** Changes when the log starts over; opaque. */
  readonly epoch: string;
  readonly sequence: number;
}

export function formatRevision({ epoch, sequence }: Revision): string {
  return `${epoch}.${sequence}`;
}

/** Undefined when the text is no revision. */
export function parseRevision(text: string): Revision | undefined {
  const match = /^([A-Za-z0-9_-]{1,40})\.(\d{1,15})$/.exec(text);
  return match === null ? undefined : { epoch: match[1] as string, sequence: Number(match[2]) };
}

/** A certificate with the version to serve. Never key material: that is fetched by version id. */
export interface CertificateItem {
  readonly kind: 'certificate';
  readonly certificateId: CertificateId;
  readonly versionId: VersionId;
  /** Names of the issued certificate. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly serial: string;
  readonly fingerprint256: string;
}

/** An http-01 answer (RFC 8555 §8.3) that every live worker gives while the item exists. */
export interface ChallengeItem {
  readonly kind: 'challenge';
  readonly type: 'http-01';
  readonly token: string;
  readonly identifier: string;
  readonly keyAuthorization: string;
}

export interface SettingsItem {
  readonly kind: 'settings';
  readonly settings: TerminatorSettings;
}

export type FeedItem = CertificateItem | ChallengeItem | SettingsItem;

/** `certificate/<id>`, `challenge/<token>`, `settings`. One item per key; a later one replaces it. */
export type FeedKey = string;

export function feedKey(item: FeedItem): FeedKey {
  switch (item.kind) {
    case 'certificate':
      return `certificate/${item.certificateId}`;
    case 'challenge':
      return `challenge/${item.token}`;
    case 'settings':
      return 'settings';
  }
}

export type FeedLine =
  | { readonly type: 'snapshot-begin'; readonly revision: string }
  | { readonly type: 'snapshot-end'; readonly revision: string }
  | { readonly type: 'item'; readonly revision: string; readonly item: FeedItem }
  | { readonly type: 'removed'; readonly revision: string; readonly key: FeedKey }
  | { readonly type: 'ping'; readonly revision: string };

/** What acknowledgements and reports have at most: control refuses what is longer, and a terminator cuts it before. */
export const reportBounds = {
  /** Characters of a sentence, a subject, an address or a source's name. */
  text: 2_000,
  /** Characters of an id, or of a backend's name. */
  id: 600,
  serial: 128,
  /** Names of one certificate. */
  names: 1_000,
  problems: 10_000,
} as const;

/** What a terminator could not take, and why; the last good version stays served. */
export interface Refusal {
  readonly key: FeedKey;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Everything up to `revision` is applied by every live worker, but for what is refused. */
export interface Acknowledgement {
  readonly terminatorId: string;
  readonly revision: string;
  /** The `certplane-session` of the process that applied it; absent where it sends none. */
  readonly session?: string | undefined;
  /** Live workers that applied it. */
  readonly workers: number;
  readonly refusals: readonly Refusal[];
}

export interface ServedEntry {
  readonly certificateId: CertificateId;
  readonly versionId: VersionId;
  readonly names: readonly string[];
  readonly serial: string;
  readonly fingerprint256: string;
  readonly notAfter: number;
  /** Since when every worker serves it, milliseconds since the epoch. */
  readonly since: number;
  /** `feed`, or the source it was read from: `files:<directory>`, `secrets:<namespace>`. */
  readonly source: string;
}

/** A problem the terminator sees: a refused file, a source that cannot be read, a worker that died. */
export interface TerminatorProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly subject?: string | undefined;
  readonly since: number;
}

export interface WorkerStatus {
  readonly pid: number;
  readonly startedAt: number;
  readonly connections: number;
  /** It has all rights of root; absent: it has not, or does not tell. */
  readonly asRoot?: boolean | undefined;
}

/** One endpoint of a backend, as all workers together see it. */
export interface BackendReport {
  /** Key in `TerminatorSettings.backends`. */
  readonly backend: string;
  /** `10.0.0.2:8080`, `unix:/run/app.sock`; `app.internal:8080` while a name is not resolved. */
  readonly endpoint: string;
  /** `unhealthy` by checks, `ejected` after failed requests. */
  readonly state: 'healthy' | 'unhealthy' | 'ejected' | 'unresolved';
  /** Open connections. */
  readonly open: number;
  /** Since the terminator started. */
  readonly requests: number;
}

/** The whole of what a terminator serves (`complete`), or what changed since the last report. */
export interface ServedReport {
  readonly terminatorId: string;
  readonly complete: boolean;
  readonly served: readonly ServedEntry[];
  /** Certificate ids no longer served. */
  readonly gone: readonly CertificateId[];
  readonly problems: readonly TerminatorProblem[];
  readonly workers: readonly WorkerStatus[];
  readonly listening: readonly string[];
  /** Every endpoint of every backend; absent: the terminator does not tell. */
  readonly backends?: readonly BackendReport[] | undefined;
}
