import type { Bundle } from '../core/bundle.ts';
import type { CertificateId, VersionId } from '../core/certificate.ts';
import type { CertificateRecord, OutputState, VersionRecord } from '../core/records.ts';

export interface DeliveryEntry {
  readonly record: CertificateRecord;
  readonly current?: VersionRecord | undefined;
}

/** What is delivered, and where the outcome is kept. `state/registry.ts` is one. */
export interface DeliveryRegistry {
  certificates(): readonly DeliveryEntry[];
  entry(id: CertificateId): DeliveryEntry | undefined;
  bundle(versionId: VersionId, signal: AbortSignal): Promise<Bundle>;
  /** Keeps the state of one output; durable when it resolves. */
  recordDelivery(
    certificateId: CertificateId,
    outputId: string,
    state: OutputState,
    signal: AbortSignal,
  ): Promise<void>;
  onChange(listener: (ids: readonly CertificateId[]) => void): Disposable;
}
