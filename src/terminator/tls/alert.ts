/** Fatal alerts before any answer (RFC 8446 §6): record type 21, legacy version, length 2, level, description. */
function fatal(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description]);
}

export const alerts = {
  internalError: fatal(80),
  /** RFC 6066 §3. */
  unrecognizedName: fatal(112),
} as const;
