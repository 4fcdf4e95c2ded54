/** Text that may be written down: without private keys and credentials (never §5.9). */

/** What stands where something was taken out. */
export const removed = '[removed]';

const longestString = 8_192;

// An unterminated block is cut to the end of the text: half a key is still too much.
const privateKeyBlock =
  /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|$)/g;
// And the end of one whose beginning was cut off, from the beginning of the text.
const endOfPrivateKey = /^[\s\S]*-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----/;
const ownToken = /cp_[0-9a-f]{12}_[A-Za-z0-9_-]{43}/g;
const bearer = /\bbearer\s+[\w.~+/=-]+/gi;

export function scrubSecrets(text: string): string {
  return text
    .replace(privateKeyBlock, removed)
    .replace(endOfPrivateKey, removed)
    .replace(ownToken, removed)
    .replace(bearer, `Bearer ${removed}`);
}

/** The same, and not longer than a line of a log should be. */
export function scrubText(text: string): string {
  const clean = scrubSecrets(text);
  return clean.length > longestString ? `${clean.slice(0, longestString)}… (${clean.length} characters)` : clean;
}
