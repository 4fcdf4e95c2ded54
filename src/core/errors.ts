/**
 * One error class, a closed set of codes. Match on `code`, never on the message or the class: messages are for people.
 * HTTP status codes are decided in `api/errors.ts` alone. Messages never contain secrets.
 */

/** Every code with its sentence in docs/reference.md, which is written from this table (a test compares them). */
export const errorCodes = {
  // configuration
  'config.invalid': 'The configuration file has problems; nothing was changed.',
  'config.not-found': 'No configuration file where one was looked for.',
  'config.removal-held':
    'The new configuration removes more than half of the certificates; it waits for --accept-removal.',
  'config.restart-needed': 'A changed option takes effect only after a restart.',
  // state
  'store.not-found': 'No record with that key.',
  'store.conflict': 'The record changed since it was read.',
  'store.exists': 'The data directory already has a database; it is not replaced without --force.',
  'store.locked': 'Another control plane is using this data directory.',
  'store.corrupt': 'The database is damaged; it is never overwritten. Restore a backup.',
  'store.key-wrong': 'The encryption key is not the one this database was written with.',
  'store.key-missing': 'The database has encrypted rows and the encryption key is not there.',
  'store.unavailable': 'The data directory cannot be written (read-only, full, or no permission).',
  'store.too-new': 'The database was written by a newer Certplane.',
  'store.backup-invalid': 'The file is not a Certplane backup, or it is incomplete.',
  // issuing
  'issuer.unknown': 'No issuer with that name is configured.',
  'issuer.unreachable': 'The certificate authority cannot be reached.',
  'issuer.tls-untrusted': "The certificate authority's own HTTPS certificate is not trusted.",
  'issuer.timeout': 'The certificate authority did not answer in time.',
  'issuer.response-invalid': 'The certificate authority answered something the protocol does not allow.',
  'issuer.unsupported': 'The issuer cannot make a certificate like this one.',
  'acme.rate-limited': 'The certificate authority refused because of a rate limit; the retry time is its own.',
  'acme.order-invalid': 'The certificate authority gave the order up; the problem document says why.',
  'acme.challenge-failed': 'The certificate authority could not verify control of a name.',
  'acme.account-rejected': 'The certificate authority refused the account or its key.',
  'acme.terms-required': 'The certificate authority wants its terms accepted.',
  'acme.rejected': 'The certificate authority refused the request; the problem document says why.',
  'acme.server-error': 'The certificate authority has an error of its own.',
  'challenge.no-solver': 'No configured solver can prove control of this name.',
  'challenge.present-failed': 'The answer to a challenge could not be put in place.',
  'challenge.terminator-absent': 'No terminator is connected that could answer the challenge.',
  'issuance.cancelled': 'The issuance was given up because it is no longer wanted.',
  // certificates
  'certificate.unparsable': 'The certificate or key is not valid PEM.',
  'certificate.key-mismatch': 'The private key does not belong to the certificate.',
  'certificate.name-missing': 'The certificate does not carry a name it is meant for.',
  'certificate.expired': 'The certificate is past its notAfter.',
  'certificate.not-yet-valid': 'The certificate is before its notBefore; it is held until then.',
  'certificate.worse': 'The certificate is worse than the one in use, which stays.',
  'certificate.not-found': 'No certificate with that id, name or host.',
  'certificate.ambiguous': 'Several certificates match; name one by its id.',
  'certificate.removed': 'The certificate is no longer in the configuration.',
  'renewal.in-progress': 'A renewal of this certificate is already running.',
  // delivery
  'output.path-unusable': 'The output directory cannot be used as one.',
  'output.write-failed': 'The files could not be written.',
  'output.owner-unknown': 'The owner or group of the output does not exist on this machine.',
  'output.reload-failed': 'The reload command failed; the files are in place.',
  'output.reload-timeout': 'The reload command did not end in time; the files are in place.',
  'output.newer-present':
    'A newer certificate than the one in use is there; it stays until Certplane has a better one.',
  'output.not-owned': 'The Secret belongs to somebody else and was left alone.',
  'kubernetes.unreachable': 'The Kubernetes API server cannot be reached.',
  'kubernetes.forbidden': 'The Kubernetes API server refused for lack of permission.',
  'kubernetes.not-configured': 'No Kubernetes credentials are configured or found.',
  // terminator
  'terminator.address-in-use': 'The address is already in use.',
  'terminator.address-forbidden': 'This user may not open that address.',
  'terminator.user-unusable': 'Workers cannot run as the user that terminator.user names.',
  'terminator.source-unreadable': 'A certificate source cannot be read; what was served stays served.',
  'terminator.source-shrunk':
    'A source lost more than half of its certificates at once; the old ones stay until it is confirmed.',
  'terminator.worker-failed': 'A worker ended unexpectedly and was replaced.',
  'terminator.control-unreachable': 'The control process cannot be reached; the last known certificates are served.',
  'terminator.cache-unreadable': 'The last-good copy cannot be read.',
  'terminator.cache-unwritable':
    'The last-good copy cannot be written; a start without control would not know the latest certificates.',
  'terminator.name-unserved': 'No certificate covers this host.',
  'terminator.certificate-conflict': 'Several certificates carry the same name; the message says which one serves it.',
  'terminator.file-unreadable':
    'A file that the settings name cannot be read or has no valid content; what was read before stays in effect.',
  'terminator.policy-unusable': 'A TLS policy cannot be put in effect; clients of its hosts are refused.',
  'terminator.staple-missing': 'No OCSP response can be had for a certificate; it is served without one.',
  'backend.unverified': 'The certificate of a backend is not verified, because its tls says verify: false.',
  // API and access
  'api.invalid-request': 'The request does not have the expected form.',
  'api.not-found': 'There is nothing at this address.',
  'api.unauthenticated': 'A login or a token is needed.',
  'api.forbidden': 'The login or token does not allow this.',
  'api.origin-refused': 'The Host or Origin header is not one this server answers to.',
  'api.too-many-attempts': 'Too many login attempts; wait and try again.',
  'api.unavailable': 'The control process is not ready or is stopping.',
  'access.token-invalid': 'The token is unknown, expired or revoked.',
  'access.insecure-listen': 'Serving the admin page beyond loopback without TLS is refused.',
  // processes
  'cli.usage': 'The command line is wrong; --help shows what a command takes.',
  'process.control-unreachable': 'No control process answers at the admin socket.',
  'process.aborted': 'The operation was stopped.',
  'internal.unexpected': 'An error nobody planned for; the log has the details.',
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** An RFC 7807/9457 problem document as a CA sent it (RFC 8555 §6.7), reduced to what is safe to keep and show. */
export interface ProblemDocument {
  readonly type: string;
  readonly detail?: string | undefined;
  readonly status?: number | undefined;
  readonly instance?: string | undefined;
  readonly subproblems?: readonly SubProblem[] | undefined;
}

/** RFC 8555 §6.7.1. */
export interface SubProblem {
  readonly type: string;
  readonly detail?: string | undefined;
  readonly identifier?: { readonly type: string; readonly value: string } | undefined;
}

export interface CertplaneErrorOptions {
  readonly cause?: unknown;
  /** The CA's own words, where there are any. */
  readonly problem?: ProblemDocument | undefined;
  /** Milliseconds since the epoch before which trying again is pointless or forbidden (Retry-After). */
  readonly retryAt?: number | undefined;
  /** Of a request: it certainly did not leave this machine or reach whom it was for, so that nothing came of it. */
  readonly unsent?: boolean | undefined;
}

export class CertplaneError extends Error {
  override readonly name = 'CertplaneError';
  readonly code: ErrorCode;
  readonly problem: ProblemDocument | undefined;
  readonly retryAt: number | undefined;
  readonly unsent: boolean;

  constructor(code: ErrorCode, message: string, options: CertplaneErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.problem = options.problem;
    this.retryAt = options.retryAt;
    this.unsent = options.unsent === true;
  }
}

/** The error as ours: kept when it is one, wrapped as `internal.unexpected` (cause kept) otherwise. */
export function toCertplaneError(error: unknown, fallback: ErrorCode = 'internal.unexpected'): CertplaneError {
  if (error instanceof CertplaneError) return error;
  return new CertplaneError(fallback, error instanceof Error ? error.message : String(error), { cause: error });
}

/** True for errors that only say "we were asked to stop". */
export function isAbort(error: unknown): boolean {
  return (
    (error instanceof CertplaneError && error.code === 'process.aborted') ||
    (error instanceof Error && (error.name === 'AbortError' || (error as NodeJS.ErrnoException).code === 'ABORT_ERR'))
  );
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof CertplaneError && error.code === code;
}
