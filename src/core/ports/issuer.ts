import type { Bundle } from '../bundle.ts';
import type { CertificateId, KeyPolicy } from '../certificate.ts';
import type { CertplaneError } from '../errors.ts';

export interface IssuanceRequest {
  readonly certificateId: CertificateId;
  readonly dnsNames: readonly string[];
  readonly key: KeyPolicy;
  /** Private issuers only. */
  readonly lifetimeMs?: number | undefined;
}

/** Where an issuance stands. The scheduler persists it before every step; `data` is the issuer's own plain JSON. */
export interface IssuanceState {
  /** One of the issuer's `steps`: the transition that comes next. */
  readonly step: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** PKCS#8 PEM of the certificate's new key, once it exists. Persisted encrypted, and before the CSR is sent. */
  readonly keyPem?: string | undefined;
}

export type StepResult =
  /** One transition was made. With `waitUntil` (milliseconds since the epoch) the next one is not due before then. */
  | {
      readonly kind: 'continue';
      readonly state: IssuanceState;
      readonly waitUntil?: number | undefined;
      readonly note: string;
    }
  /** `caPem`: the root (or, self-signed, the certificate itself) that clients trust, where the issuer knows it. */
  | { readonly kind: 'issued'; readonly bundle: Bundle; readonly caPem?: string | undefined }
  /**
   * The order is over. `scope: 'issuer'` means that nothing can be had from this issuer now (down, rate-limited account),
   * so that others waiting for it need not find out one by one.
   */
  | {
      readonly kind: 'failed';
      readonly error: CertplaneError;
      readonly scope: 'certificate' | 'issuer';
      readonly state: IssuanceState;
      /** The CA certainly issued nothing for this order, so that limits on certificates do not count it. */
      readonly nothingIssued?: boolean | undefined;
      /** It was certainly not even asked for an order, so that limits on orders do not count it either. */
      readonly nothingOrdered?: boolean | undefined;
    };

/** What people are shown of an issuer; never a secret. */
export interface IssuerDescription {
  readonly name: string;
  readonly kind: 'acme' | 'ca' | 'selfSigned';
  /** ACME: the directory URL. */
  readonly directory?: string | undefined;
  /** ACME: the account URL once registered. */
  readonly account?: string | undefined;
  /** ACME: address of the terms that registering accepted. */
  readonly termsOfService?: string | undefined;
  /** Private CA: PEM of the root, for clients to trust. */
  readonly rootPem?: string | undefined;
  readonly problem?:
    { readonly code: string; readonly message: string; readonly until?: number | undefined } | undefined;
}

/**
 * Makes certificates, one state transition at a time. The scheduler owns waiting, persistence and retries:
 * an order that waits holds nothing, and any process can take the next step from the persisted state.
 *
 * `step` makes at most one transition and at most the requests that belong to it; it is called with a state that has
 * been persisted. It resolves `failed` for everything the CA or the network did, retryable or not: transient network
 * errors, timeouts and badNonce exhaustion inside a running order are `continue` with the same step and a `waitUntil`
 * instead, so that the order survives them (bounded: the issuer counts them in `data` and gives up in the end).
 * It rejects only when aborted (`process.aborted`) or on a programming error.
 * Whatever was presented is recorded in the state before it is presented, so that `abandon` can clean up after a kill.
 */
export interface Issuer {
  readonly name: string;
  /** Every step of the state machine, in order. Tests walk this list. */
  readonly steps: readonly string[];
  /** The state before the first step; no I/O. */
  begin(request: IssuanceRequest): IssuanceState;
  step(request: IssuanceRequest, state: IssuanceState, signal: AbortSignal): Promise<StepResult>;
  /** Cleans up after an issuance that ended in `failed` or is given up; idempotent, best effort, never throws but for abort. */
  abandon(request: IssuanceRequest, state: IssuanceState, signal: AbortSignal): Promise<void>;
  describe(signal: AbortSignal): Promise<IssuerDescription>;
}
