import type { CertificateId } from '../certificate.ts';

/** An http-01 challenge (RFC 8555 §8.3) of one authorization. */
export interface Challenge {
  readonly type: 'http-01';
  /** The DNS name to be proved, without wildcard. */
  readonly identifier: string;
  readonly token: string;
  readonly keyAuthorization: string;
  readonly certificateId: CertificateId;
}

/**
 * Puts answers to challenges where the CA looks.
 *
 * `present` resolves only when every live worker (or the listener) answers it; it is idempotent, so a resumed order may
 * present again. Throws `challenge.present-failed` or `challenge.terminator-absent`.
 * `cleanUp` is idempotent, succeeds for what was never presented, and always runs, also after a kill.
 */
export interface ChallengeSolver {
  present(challenge: Challenge, signal: AbortSignal): Promise<void>;
  cleanUp(challenge: Challenge, signal: AbortSignal): Promise<void>;
}
