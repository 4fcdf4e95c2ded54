/** What is kept. Each record kind has one writer in mind: registry (certificates, versions), scheduler (orders), issuers (accounts, authorities). */
import type { ChainFacts } from './bundle.ts';
import type { CertificateId, CertificateSpec, VersionId } from './certificate.ts';
import type { ErrorCode, ProblemDocument } from './errors.ts';
import type { FeedItem, FeedKey } from './feed.ts';
import type { RenewalWindow } from './renewal.ts';

/** A failed attempt, as kept and shown. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly problem?: ProblemDocument | undefined;
  readonly issuer?: string | undefined;
  readonly at: number;
}

export interface OutputState {
  readonly versionId?: VersionId | undefined;
  /** Of `versionId`: version ids are given out again after the restore of an older backup, fingerprints never. */
  readonly fingerprint256?: string | undefined;
  readonly deliveredAt?: number | undefined;
  /** Failures in a row; 0 when the last delivery succeeded. */
  readonly failures: number;
  readonly failure?: Failure | undefined;
  readonly retryAt?: number | undefined;
}

export interface CertificateRecord {
  readonly id: CertificateId;
  readonly spec: CertificateSpec;
  /** `specDigest(spec)` of the spec the current version was issued for. */
  readonly issuedDigest?: string | undefined;
  readonly createdAt: number;
  /** When it left the desired set; absent while it is wanted. */
  readonly removedAt?: number | undefined;
  /** When it was first found to be due for deletion, which a second look a day later confirms. */
  readonly purgeSeenAt?: number | undefined;
  /** The version in use; written after the version record itself. */
  readonly currentVersion?: VersionId | undefined;
  /** Number of the next version; never reused. */
  readonly nextNumber: number;
  readonly ari?: RenewalWindow | undefined;
  /** A person asked for a renewal at that time; cleared by the issuance that follows. */
  readonly renewalRequestedAt?: number | undefined;
  /** Failed attempts in a row. */
  readonly failures: number;
  readonly lastFailure?: Failure | undefined;
  /** No attempt before this; survives restarts. */
  readonly retryAt?: number | undefined;
  readonly lastAttemptAt?: number | undefined;
  readonly outputs: Readonly<Record<string, OutputState>>;
}

export interface VersionRecord extends ChainFacts {
  readonly id: VersionId;
  readonly certificateId: CertificateId;
  readonly number: number;
  readonly issuerName: string;
  readonly chainPem: string;
  /** The root clients trust, where the issuer knows it. */
  readonly caPem?: string | undefined;
  /** `specDigest` of the spec it was issued for. */
  readonly digest?: string | undefined;
  readonly issuedAt: number;
}

/** At most one per certificate: the issuance under way. Its key is the certificate id. */
export interface OrderRecord {
  readonly certificateId: CertificateId;
  readonly issuerName: string;
  readonly request: {
    readonly dnsNames: readonly string[];
    readonly key: CertificateSpec['key'];
    readonly lifetimeMs?: number | undefined;
  };
  readonly digest: string;
  readonly reason: { readonly code: string; readonly message: string };
  readonly startedAt: number;
  readonly step: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly waitUntil?: number | undefined;
  /** Number the version will get: an order whose version exists is over, whatever else a crash left undone. */
  readonly versionNumber?: number | undefined;
  /** The outcome is known and only clean-up is left. */
  readonly abandoning?: boolean | undefined;
  /** With `abandoning`: the failure, kept in the same write so that a crash neither forgets it nor counts it twice. */
  readonly outcome?: { readonly failure: Failure; readonly retryAt: number } | undefined;
}

/** Key: issuer name + digest of the directory URL. */
export interface AccountRecord {
  readonly issuerName: string;
  readonly directory: string;
  /** Account URL (RFC 8555 §7.3); absent until registered. */
  readonly url?: string | undefined;
  readonly email?: string | undefined;
  readonly termsAgreed?: string | undefined;
  readonly createdAt: number;
  /** Certificates whose last newOrder ended without an answer, and when: the CA may have that order. */
  readonly unanswered?: Readonly<Record<CertificateId, number>> | undefined;
}

/** The private CA of one issuer. */
export interface AuthorityRecord {
  readonly issuerName: string;
  readonly rootPem: string;
  readonly issuingPem: string;
  readonly createdAt: number;
}

/** Token bucket of one account and limit. */
export interface BudgetRecord {
  readonly name: string;
  readonly tokens: number;
  readonly updatedAt: number;
  /** Retry-After of the whole issuer, milliseconds since the epoch. */
  readonly blockedUntil?: number | undefined;
}

export interface TokenRecord {
  readonly id: string;
  readonly label: string;
  /** SHA-256 of the token, hex. */
  readonly hash: string;
  readonly role: 'admin' | 'viewer';
  readonly createdAt: number;
  readonly expiresAt?: number | undefined;
  readonly lastUsedAt?: number | undefined;
}

/** One per feed key: the latest item (or its removal) with the sequence it got. Key: the feed key. */
export interface FeedRecord {
  readonly sequence: number;
  readonly key: FeedKey;
  /** Absent: removed. */
  readonly item?: FeedItem | undefined;
}

/** Small things with one value each: the feed's epoch and floor, the mass re-issue that was accepted. */
export interface SettingRecord {
  readonly value: string;
}

/** The configuration in force (key `applied`), so that a held one does not take what serves out of service. Its JSON is the secret. */
export interface ConfigRecord {
  readonly appliedAt: number;
  /** SHA-256 of the JSON, hex. */
  readonly digest: string;
  readonly certificates: number;
  /** Whether it has a terminator. */
  readonly terminator: boolean;
}

export interface RecordKinds {
  certificate: CertificateRecord;
  version: VersionRecord;
  order: OrderRecord;
  account: AccountRecord;
  authority: AuthorityRecord;
  budget: BudgetRecord;
  token: TokenRecord;
  feed: FeedRecord;
  setting: SettingRecord;
  config: ConfigRecord;
}

export type RecordKind = keyof RecordKinds;

/** The private keys beside a record; encrypted at rest, read only by asking for them. */
export interface RecordSecrets {
  version: { readonly keyPem: string };
  order: { readonly keyPem: string };
  account: { readonly keyPem: string };
  authority: { readonly rootKeyPem: string; readonly issuingKeyPem: string };
  config: { readonly json: string };
}

export type SecretOf<K extends RecordKind> = K extends keyof RecordSecrets ? RecordSecrets[K] : undefined;

export type HistoryKind =
  'attempt' | 'issued' | 'failed' | 'delivered' | 'delivery-failed' | 'config' | 'admin' | 'removed';

/** Append-only, bounded, may be lossy. */
export interface HistoryEntry {
  /** Increasing; assigned by the store. */
  readonly id: number;
  readonly at: number;
  readonly kind: HistoryKind;
  readonly certificateId?: CertificateId | undefined;
  /** A reason or error code. */
  readonly code: string;
  readonly message: string;
  /** Who asked: `scheduler`, `cli`, `token:<id>`, `session`, `config`. */
  readonly actor: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
}
