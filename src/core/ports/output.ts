import type { Bundle, ChainFacts } from '../bundle.ts';
import type { CertificateId, OutputSpec, VersionId } from '../certificate.ts';
import type { VersionRecord } from '../records.ts';

/** One version, complete, as an output writes it. */
export interface DeliverableVersion {
  readonly certificateId: CertificateId;
  readonly versionId: VersionId;
  readonly bundle: Bundle;
  readonly fingerprint256: string;
  /** The root clients trust, where the issuer knows it. */
  readonly caPem?: string | undefined;
}

/** What a place holds now: a certificate that parses and has its key beside it. */
export interface HeldCertificate extends Pick<ChainFacts, 'names' | 'notBefore' | 'notAfter' | 'fingerprint256'> {
  /** Everything around it is as it should be too: every file, mode and owner; every field of a Secret that is ours. */
  readonly intact: boolean;
}

/** What is to be there, as far as it is known without the key. */
export type WantedVersion = Pick<VersionRecord, 'id' | 'chainPem' | 'caPem'>;

/**
 * A place a version is written to. `deliver` is idempotent, switches by one rename or one request, and resolves only
 * when the version is really there and everything after it (a reload command) has succeeded. `onSwitched` is called when
 * only what comes after it is waited for, which no other delivery has to wait for.
 *
 * Throws: `output.*`, `kubernetes.*` (see `core/errors.ts`). `output.reload-failed` and `output.reload-timeout` mean
 * that the files are in place; calling again runs the command again.
 * Cancellation: the signal ends a wait or a command; what has been switched stays switched.
 */
export interface Output {
  readonly spec: OutputSpec;
  deliver(version: DeliverableVersion, signal: AbortSignal, onSwitched?: () => void): Promise<void>;
  /**
   * What is there now; undefined when there is nothing of ours or it cannot be used (unreadable, another key). Where the
   * place alone does not tell whether it is intact, that is judged by what is wanted there.
   */
  current(signal: AbortSignal, wanted?: WantedVersion): Promise<HeldCertificate | undefined>;
}
