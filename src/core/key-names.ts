/** Where the encryption key may come from instead of the data directory. */

/** Names a file with the key. */
export const keyFileVariable = 'CERTPLANE_ENCRYPTION_KEY_FILE';
/** Directory of the credentials that systemd hands to a service (systemd.exec(5)). */
export const credentialsVariable = 'CREDENTIALS_DIRECTORY';
/** The credential with the key. */
export const keyCredential = 'certplane-encryption-key';
