/**
 * What supervisor and worker say to each other. Messages of one direction arrive in order, and both sides rely on it:
 * the supervisor answers only with what is current at the moment of sending, and a change it sends later arrives later.
 */
import type { Account } from '../../core/accounts.ts';
import type { Bundle } from '../../core/bundle.ts';
import type { BackendReport, Refusal } from '../../core/feed.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { HistogramCounts } from '../observe/histogram.ts';

/** A place in the table: one certificate of one source, whatever version it has. */
export type SlotId = string;

/** A certificate as a worker knows it before it needs the key. */
export interface SlotState {
  readonly slot: SlotId;
  readonly versionId: string;
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** Of the leaf, as `ECDSA P-256` or `RSA 2048`; absent: unknown. */
  readonly keyAlgorithm?: string | undefined;
}

/** What serves a host. */
export interface HostState extends SlotState {
  /** With a key of the other kind (ECDSA, RSA): serves clients that can use only that. */
  readonly alternative?: SlotState | undefined;
}

export interface SlotMaterial extends SlotState {
  readonly bundle: Bundle;
  /** OCSP response to be stapled, DER in base64. */
  readonly staple?: string | undefined;
}

/** What a worker gets that asks for a slot: null when it is empty, `unreadable` when its key cannot be had right now. */
export type MaterialAnswer = SlotMaterial | 'unreadable' | null;

/** Settings with what only the supervisor knows. */
export interface WorkerSettings {
  readonly settings: TerminatorSettings;
  /** Port that redirects to https name; absent when https is not served. */
  readonly httpsPort?: number | undefined;
  /** Text of the files that settings name (client CAs, revocation lists, backend CAs), by path; one that cannot be read is missing. */
  readonly files: Readonly<Record<string, string>>;
  /** How many revocation lists in a file have run out, by its path. */
  readonly endedLists?: Readonly<Record<string, number>> | undefined;
}

export type WorkerChange =
  /** `names`: every name whose answer may be another one now. `slot`: where a new version is, or (`gone`) none any more. */
  | {
      readonly kind: 'certificate';
      readonly slot?: SlotId | undefined;
      readonly gone?: boolean;
      readonly names: readonly string[];
    }
  | { readonly kind: 'challenge'; readonly token: string; readonly keyAuthorization?: string | undefined }
  | { readonly kind: 'settings'; readonly settings: WorkerSettings }
  /** See `start`. */
  | { readonly kind: 'ticket-keys'; readonly keys: readonly string[] }
  /** See `SlotMaterial`; for that version only. */
  | {
      readonly kind: 'staple';
      readonly slot: SlotId;
      readonly versionId: string;
      readonly staple?: string | undefined;
    };

export type ToWorker =
  | {
      readonly type: 'start';
      readonly settings: WorkerSettings;
      readonly challenges: readonly (readonly [token: string, keyAuthorization: string])[];
      /** 48 bytes each, base64, the same for all workers; the first one encrypts, all of them resume sessions. */
      readonly ticketKeys: readonly string[];
      /** Whom it becomes before it listens; absent: it stays who it is. */
      readonly account?: Account | undefined;
    }
  /** Comes with the bound socket. */
  | { readonly type: 'listen'; readonly id: number; readonly protocol: 'https' | 'http' }
  | { readonly type: 'unlisten'; readonly id: number }
  | { readonly type: 'apply'; readonly sequence: number; readonly changes: readonly WorkerChange[] }
  | { readonly type: 'resolved'; readonly id: number; readonly found: HostState | null }
  | { readonly type: 'material'; readonly id: number; readonly found: MaterialAnswer }
  | { readonly type: 'drain'; readonly deadlineMs: number };

/**
 * Counts since the last message; `connections` is the number now. Keys of the records are label values, joined by line
 * feeds.
 */
export interface WorkerCounters {
  /** Protocol, route (empty without one), class of status. */
  readonly requests: Readonly<Record<string, number>>;
  /** By route. */
  readonly durations: Readonly<Record<string, HistogramCounts>>;
  /** Until the first byte of the answer, by backend. */
  readonly backendDurations: Readonly<Record<string, HistogramCounts>>;
  /** Version, cipher, whether a session was resumed. */
  readonly handshakes: Readonly<Record<string, number>>;
  /** By reason. */
  readonly handshakeFailures: Readonly<Record<string, number>>;
  /** Backend, reason. */
  readonly backendFailures: Readonly<Record<string, number>>;
  /** By limit. */
  readonly limits: Readonly<Record<string, number>>;
  /** TCP and passed-through connections that are over: kind, backend, how they ended. */
  readonly tunnels: Readonly<Record<string, number>>;
  /** Their bytes: backend, `received` (from clients) or `sent`. */
  readonly tunnelBytes: Readonly<Record<string, number>>;
  readonly connections: number;
}

export type FromWorker =
  | { readonly type: 'listening'; readonly id: number }
  | { readonly type: 'listen-failed'; readonly id: number; readonly code: string }
  | { readonly type: 'unlistened'; readonly id: number }
  /** It has room again after it had accepted nothing for a while: `listen` is to come once more. */
  | { readonly type: 'reclaim'; readonly id: number }
  /** Everything up to and including `sequence` is in effect, but for what is refused. */
  | { readonly type: 'applied'; readonly sequence: number; readonly refusals: readonly Refusal[] }
  | { readonly type: 'resolve'; readonly id: number; readonly host: string }
  | { readonly type: 'material'; readonly id: number; readonly slot: SlotId }
  | { readonly type: 'counters'; readonly counters: WorkerCounters; readonly endpoints: readonly BackendReport[] }
  | { readonly type: 'warning'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> };
