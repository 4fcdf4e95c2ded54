/** Which bytes may stand where in a message head; each table holds 1 for what is allowed. */

export const tab = 0x09;
export const lf = 0x0a;
export const cr = 0x0d;
export const space = 0x20;
export const colon = 0x3a;

/** tchar (RFC 9110 §5.6.2). */
export const tokenBytes = tableOf(
  (byte) => (byte >= 0x30 && byte <= 0x39) || isLetter(byte) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(byte)),
);

/** Methods: upper case. `get` is another method than `GET`, but not to every backend, and routes match methods. */
export const methodBytes = tableOf((byte) => (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d || byte === 0x5f);

/** Field values (RFC 9110 §5.5): visible ASCII, SP, HTAB and bytes above ASCII, which are passed on as they are. */
export const valueBytes = tableOf((byte) => byte === tab || (byte >= space && byte !== 0x7f));

/**
 * Request targets: more than RFC 3986 has, because browsers send `|`, `{`, `"` and raw UTF-8, and none of them can be
 * mistaken for the end of anything. `#` is not in it: one reader drops what follows it, another takes it for a part of the path.
 */
export const targetBytes = tableOf((byte) => byte > space && byte !== 0x7f && byte !== 0x23);

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function tableOf(allowed: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (allowed(byte) ? 1 : 0));
}
