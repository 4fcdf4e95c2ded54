/** What the API, the CLI and doctor may see and ask of the control plane. Everything else stays behind it. */
import type { CertificateId } from '../certificate.ts';
import type { BackendReport, ServedEntry, TerminatorProblem, WorkerStatus } from '../feed.ts';
import type { CertificateRecord, HistoryEntry, OrderRecord, VersionRecord } from '../records.ts';
import type { DeliveryStatus, Reason, Status } from '../status.ts';
import type { HistoryQuery } from './certificate-store.ts';
import type { IssuerDescription } from './issuer.ts';

/** What will happen next to a certificate by itself. */
export interface NextAction {
  readonly action: 'issue' | 'renew' | 'retry' | 'deliver' | 'none';
  /** Milliseconds since the epoch; absent: as soon as a slot is free, or never for `none`. */
  readonly at?: number | undefined;
  readonly reason: Reason;
}

export interface ServedBy extends ServedEntry {
  readonly terminatorId: string;
  readonly connected: boolean;
}

export interface CertificateView {
  readonly id: CertificateId;
  readonly name: string;
  /** Absent for what is only observed. */
  readonly record?: CertificateRecord | undefined;
  readonly current?: VersionRecord | undefined;
  readonly order?: OrderRecord | undefined;
  readonly names: readonly string[];
  readonly status: Status;
  readonly deliveries: readonly DeliveryStatus[];
  readonly next: NextAction;
  readonly renewAt?: number | undefined;
  readonly servedBy: readonly ServedBy[];
}

export interface TerminatorView {
  readonly id: string;
  readonly connected: boolean;
  readonly since: number;
  readonly acknowledged?: string | undefined;
  /** The feed's revision now; equal to `acknowledged` when it is up to date. */
  readonly current: string;
  readonly workers: readonly WorkerStatus[];
  readonly listening: readonly string[];
  readonly problems: readonly TerminatorProblem[];
  /** Absent: the terminator does not tell. */
  readonly backends?: readonly BackendReport[] | undefined;
  readonly served: number;
}

/** Something a person should know that belongs to no single certificate: a broken configuration file, the fleet brake. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly subject?: string | undefined;
  readonly since: number;
}

export interface ReloadOptions {
  /** Accept a configuration that removes more than half of the certificates. */
  readonly acceptRemoval: boolean;
  /** Let a mass re-issue go that the fleet brake holds. */
  readonly acceptReissue: boolean;
  readonly actor: string;
}

export interface ReloadResult {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** Option paths that changed and need a restart. */
  readonly restartNeeded: readonly string[];
  readonly warnings: readonly string[];
}

/** Something changed: read it again. Ids are certificate ids; `other` stands for issuers, terminators, problems, history. */
export interface ControlChange {
  readonly certificateIds: readonly CertificateId[];
  readonly other: boolean;
}

export interface ControlView {
  certificates(): readonly CertificateView[];
  certificate(id: CertificateId): CertificateView | undefined;
  issuers(signal: AbortSignal): Promise<readonly IssuerDescription[]>;
  terminators(): readonly TerminatorView[];
  problems(): readonly Problem[];
  history(query: HistoryQuery, signal: AbortSignal): Promise<readonly HistoryEntry[]>;
  /** Throws `certificate.not-found`, `certificate.removed`, `renewal.in-progress`. Resolves once the request is durable. */
  renew(id: CertificateId, actor: string, signal: AbortSignal): Promise<void>;
  /** Throws `config.invalid`, `config.removal-held`; nothing has changed then. */
  reload(options: ReloadOptions, signal: AbortSignal): Promise<ReloadResult>;
  /** Writes an online copy. Throws `store.unavailable`. */
  backup(file: string, actor: string, signal: AbortSignal): Promise<void>;
  /** Calls back after changes, synchronously and often: batch on your side. */
  onChange(listener: (change: ControlChange) => void): Disposable;
}
