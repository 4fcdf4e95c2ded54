/** Where a request head ends, and what can be said of one that has not come whole yet. */
import { cr, lf, tokenBytes, valueBytes } from './bytes.ts';
import { refusals, type Refusal } from './refusal.ts';

/** Index of the CRLF CRLF that ends the head; -1: it has not come. `searched`: how much has been looked at before. */
export function headEnd(bytes: Buffer, start: number, searched: number): number {
  // For the last of the four, at every fourth byte or where the ones before may stand: faster than a call of `indexOf`.
  let at = Math.max(start, searched - 3) + 3;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === cr) at += 1;
    else if (byte !== lf) at += 4;
    else if (bytes[at - 1] === cr && bytes[at - 2] === lf && bytes[at - 3] === cr) return at - 3;
    else at += 2;
  }
  return -1;
}

/** Why a head need not be waited for any longer: whoever ends lines with LF alone will never send its end. */
export function incompleteProblem(bytes: Buffer, start: number, searched: number): Refusal | undefined {
  if (tokenBytes[bytes[start] as number] !== 1) return startProblem(bytes[start] as number);
  for (let at = Math.max(start, searched - 1); at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (valueBytes[byte] === 1) continue;
    if (byte === lf) {
      if (bytes[at - 1] !== cr) return refusals.bareLf;
    } else if (byte !== cr) return refusals.control;
    else if (at + 1 < bytes.length && bytes[at + 1] !== lf) return refusals.bareCr;
  }
  return undefined;
}

/** A head that begins with this is none. */
export function startProblem(byte: number): Refusal {
  const handshake = 0x16;
  if (byte === handshake) return refusals.tls;
  return byte === lf ? refusals.bareLf : refusals.requestLine;
}

/** The limit is exceeded by the request line alone (RFC 9112 §3), or by the head as a whole (RFC 6585 §5). */
export function sizeProblem(bytes: Buffer, start: number, most: number): Refusal {
  const line = bytes.indexOf('\r\n', start, 'latin1');
  return line < 0 || line - start > most ? refusals.targetTooLong : refusals.headTooLarge;
}
