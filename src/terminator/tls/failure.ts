/** Why a handshake did not succeed: the label values of the metric. */
export type HandshakeFailure =
  /** No certificate serves the name (or there was none), and there is no default host. */
  | 'unknown-name'
  /** No cipher suite, group or signature algorithm in common. */
  | 'no-common-parameters'
  /** The client offered application protocols, and none of the host's. */
  | 'no-common-protocol'
  /** The client speaks no version that the host's policy allows. */
  | 'old-version'
  | 'client-certificate-missing'
  | 'client-certificate-expired'
  | 'client-certificate-revoked'
  /** It does not verify for another reason: unknown CA, wrong purpose, bad signature, a revocation list that is missing or too old. */
  | 'client-certificate-invalid'
  /** More intermediate certificates than the policy allows. */
  | 'client-certificate-depth'
  /** None of the policy's subject patterns matches. */
  | 'client-certificate-subject'
  /** The client ended it with an alert, most often because it does not trust the certificate. */
  | 'client-refused'
  | 'client-gone'
  | 'timeout'
  /** The host's policy cannot be put in effect (a CA file cannot be read, say), so nobody is let in. */
  | 'policy-unusable'
  | 'certificate-unloadable'
  | 'other';

/** The TLS library names the reason in the error's code. */
export function failureOf(error: NodeJS.ErrnoException): HandshakeFailure {
  const code = error.code ?? '';
  const known = byCode.get(code);
  if (known !== undefined) return known;
  // What the client sent as an alert: ERR_SSL_TLSV1_ALERT_UNKNOWN_CA, ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN, …
  return /^ERR_SSL_.*_ALERT_/.test(code) ? 'client-refused' : 'other';
}

const byCode: ReadonlyMap<string, HandshakeFailure> = new Map([
  ['ECONNRESET', 'client-gone'],
  ['EPIPE', 'client-gone'],
  ['ERR_STREAM_PREMATURE_CLOSE', 'client-gone'],
  ['ERR_SSL_UNEXPECTED_EOF_WHILE_READING', 'client-gone'],
  ['ERR_SSL_NO_SHARED_CIPHER', 'no-common-parameters'],
  ['ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM', 'no-common-parameters'],
  ['ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS', 'no-common-parameters'],
  ['ERR_SSL_NO_SUITABLE_KEY_SHARE', 'no-common-parameters'],
  ['ERR_SSL_NO_SUITABLE_GROUPS', 'no-common-parameters'],
  ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'no-common-protocol'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'old-version'],
  ['ERR_SSL_VERSION_TOO_LOW', 'old-version'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'old-version'],
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'client-certificate-missing'],
]);

/** For an OpenSSL verification code of a client certificate. */
export function certificateFailureOf(code: string): HandshakeFailure {
  if (code === 'CERT_HAS_EXPIRED') return 'client-certificate-expired';
  if (code === 'CERT_REVOKED') return 'client-certificate-revoked';
  return code === 'CERT_CHAIN_TOO_LONG' ? 'client-certificate-depth' : 'client-certificate-invalid';
}
