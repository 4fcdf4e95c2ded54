/** The only place where an error code becomes an HTTP status (RFC 9457 problem documents). */
import { STATUS_CODES } from 'node:http';
import { CertplaneError, errorCodes, isAbort, toCertplaneError, type ErrorCode } from '../core/errors.ts';
import type { Problem } from './contract/overview.ts';
import { rfc3339 } from './time.ts';

export const statusOf: Readonly<Record<ErrorCode, number>> = {
  'config.invalid': 422,
  'config.not-found': 422,
  'config.removal-held': 409,
  'config.restart-needed': 409,
  'store.not-found': 404,
  'store.conflict': 409,
  'store.exists': 409,
  'store.locked': 503,
  'store.corrupt': 500,
  'store.key-wrong': 500,
  'store.key-missing': 500,
  'store.unavailable': 503,
  'store.too-new': 500,
  'store.backup-invalid': 422,
  'issuer.unknown': 422,
  'issuer.unreachable': 502,
  'issuer.tls-untrusted': 502,
  'issuer.timeout': 504,
  'issuer.response-invalid': 502,
  'issuer.unsupported': 422,
  'acme.rate-limited': 503,
  'acme.order-invalid': 502,
  'acme.challenge-failed': 502,
  'acme.account-rejected': 502,
  'acme.terms-required': 502,
  'acme.rejected': 502,
  'acme.server-error': 502,
  'challenge.no-solver': 422,
  'challenge.present-failed': 502,
  'challenge.terminator-absent': 503,
  'issuance.cancelled': 409,
  'certificate.unparsable': 422,
  'certificate.key-mismatch': 422,
  'certificate.name-missing': 422,
  'certificate.expired': 422,
  'certificate.not-yet-valid': 422,
  'certificate.worse': 409,
  'certificate.not-found': 404,
  'certificate.ambiguous': 409,
  'certificate.removed': 409,
  'renewal.in-progress': 409,
  'output.path-unusable': 500,
  'output.write-failed': 500,
  'output.owner-unknown': 500,
  'output.reload-failed': 500,
  'output.reload-timeout': 504,
  'output.newer-present': 409,
  'output.not-owned': 409,
  'kubernetes.unreachable': 502,
  'kubernetes.forbidden': 502,
  'kubernetes.not-configured': 422,
  'terminator.address-in-use': 409,
  'terminator.address-forbidden': 409,
  'terminator.user-unusable': 409,
  'terminator.source-unreadable': 500,
  'terminator.source-shrunk': 409,
  'terminator.worker-failed': 500,
  'terminator.control-unreachable': 503,
  'terminator.cache-unreadable': 500,
  'terminator.cache-unwritable': 500,
  'terminator.name-unserved': 404,
  'terminator.certificate-conflict': 409,
  'terminator.file-unreadable': 500,
  'terminator.policy-unusable': 500,
  'terminator.staple-missing': 502,
  'backend.unverified': 502,
  'api.invalid-request': 400,
  'api.not-found': 404,
  'api.unauthenticated': 401,
  'api.forbidden': 403,
  'api.origin-refused': 403,
  'api.too-many-attempts': 429,
  'api.unavailable': 503,
  'access.token-invalid': 401,
  'access.insecure-listen': 500,
  'cli.usage': 400,
  'process.control-unreachable': 503,
  'process.aborted': 503,
  'internal.unexpected': 500,
};

/**
 * Any error as what a client is told. What nobody planned for keeps its words to itself: they are for the log.
 * The framework's own refusals of a request (bad percent-encoding, body too large) become `api.invalid-request`.
 */
export function toProblem(error: unknown): Problem {
  const known = fromFramework(error) ?? fromAbort(error) ?? toCertplaneError(error);
  const status = statusOf[known.code];
  return {
    type: `https://certplane.dev/errors/${known.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: known.code === 'internal.unexpected' ? errorCodes['internal.unexpected'] : known.message,
    code: known.code,
    ...(known.retryAt === undefined ? {} : { retryAt: rfc3339(known.retryAt) }),
  };
}

function fromAbort(error: unknown): CertplaneError | undefined {
  if (error instanceof CertplaneError || !isAbort(error)) return undefined;
  return new CertplaneError('process.aborted', 'The server is stopping; the request was given up.', { cause: error });
}

const frameworkSentences: Readonly<Record<string, string>> = {
  'entity.too.large': 'The body is too large.',
  'entity.parse.failed': 'The body is not valid JSON.',
  'encoding.unsupported': 'This content encoding is not supported.',
  'charset.unsupported': 'This character set is not supported; send UTF-8.',
  'request.aborted': 'The request ended before its body did.',
};

function fromFramework(error: unknown): CertplaneError | undefined {
  if (error instanceof CertplaneError || !(error instanceof Error)) return undefined;
  const { status, type } = error as Error & { status?: unknown; type?: unknown };
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  const message =
    (typeof type === 'string' ? frameworkSentences[type] : undefined) ??
    (error instanceof URIError ? 'The address has a bad percent-encoding.' : 'The request cannot be read.');
  return new CertplaneError('api.invalid-request', message, { cause: error });
}
