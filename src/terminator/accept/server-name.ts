const dot = 0x2e;
const hyphen = 0x2d;
const longestName = 253;
const longestLabel = 63;

/**
 * A server name as sent (RFC 6066 §3) in the form in which certificates and routes carry names, or undefined where it
 * cannot stand there: an IP address, a wildcard, anything that is not ASCII letters, digits, `-` and `_`.
 */
export function readServerName(bytes: Buffer, start: number, end: number): string | undefined {
  const last = end > start && bytes[end - 1] === dot ? end - 1 : end; // RFC 6066 forbids the trailing dot; clients send it
  if (last <= start || last - start > longestName) return undefined;
  let label = start;
  let digitsOnly = true;
  let upper = false;
  for (let at = start; at < last; at += 1) {
    const byte = bytes[at] as number;
    if (byte === dot) {
      if (!isLabel(bytes, label, at)) return undefined;
      label = at + 1;
      digitsOnly = true;
    } else if (byte < 0x30 || byte > 0x39) {
      digitsOnly = false;
      if (byte >= 0x41 && byte <= 0x5a) upper = true;
      else if ((byte < 0x61 || byte > 0x7a) && byte !== hyphen && byte !== 0x5f) return undefined;
    }
  }
  // A name whose last label is a number is an IPv4 address (RFC 1123 §2.1).
  if (digitsOnly || !isLabel(bytes, label, last)) return undefined;
  const name = bytes.toString('latin1', start, last);
  return upper ? name.toLowerCase() : name;
}

function isLabel(bytes: Buffer, start: number, end: number): boolean {
  return end > start && end - start <= longestLabel && bytes[start] !== hyphen && bytes[end - 1] !== hyphen;
}
