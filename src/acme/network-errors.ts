import { CertplaneError, type ErrorCode } from '../core/errors.ts';

/** Verification failures as OpenSSL and Node name them. */
const untrusted =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|ERR_TLS_CERT_)/;
const timeouts = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);
/** No connection came about, so that no request went over it. */
const unsent = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const badAnswers = /^(?:HPE_|UND_ERR_RES_|UND_ERR_HEADERS_OVERFLOW)/;

/** What went wrong below HTTP, as our error; `ca` names the server, `hasBundle` whether trust was configured. */
export function networkError(cause: unknown, ca: string, hasBundle: boolean): CertplaneError {
  const reason = reasonOf(cause);
  const options = { cause, unsent: unsent.has(reason) || untrusted.test(reason) };
  const make = (code: ErrorCode, message: string) => new CertplaneError(code, message, options);
  if (untrusted.test(reason)) {
    const advice = hasBundle
      ? 'Check that caBundle has the CA that signed it.'
      : 'If it is a private one, give its CA as caBundle.';
    return make('issuer.tls-untrusted', `The HTTPS certificate of ${ca} is not trusted (${reason}). ${advice}`);
  }
  if (timeouts.has(reason)) return make('issuer.timeout', `${ca} did not accept a connection in time.`);
  if (badAnswers.test(reason)) return make('issuer.response-invalid', `${ca} answered something that is not HTTP.`);
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN')
    return make('issuer.unreachable', `The name of ${ca} cannot be resolved (${reason}).`);
  return make('issuer.unreachable', `${ca} cannot be reached (${reason}).`);
}

function reasonOf(error: unknown): string {
  for (let one = error, depth = 0; depth < 5; depth += 1) {
    if (one instanceof AggregateError && one.errors.length > 0 && !hasCode(one)) one = one.errors[0];
    if (hasCode(one) && one.code !== 'UND_ERR_SOCKET') return one.code;
    if (!(one instanceof Error) || one.cause === undefined) break;
    one = one.cause;
  }
  return hasCode(error) ? 'the connection was closed' : error instanceof Error ? error.name : 'unknown error';
}

function hasCode(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string';
}
