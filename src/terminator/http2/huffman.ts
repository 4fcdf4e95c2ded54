/**
 * HPACK's Huffman code (RFC 7541 §5.2, appendix B). The code is canonical, so the lengths of its code words say all of it.
 * Strings are only read here: what we send is repeated from the dynamic table, where a shorter first time gains nothing.
 */

/** Bits of the code word of each byte value, and of the end of string (256). */
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

const endOfString = 256;
/** Entries are 16 bits: 0 is no code word; with `leaf` the symbol in the low byte and the bits used above it; otherwise the next table. */
const leaf = 0x8000;

const table = buildTable();

/**
 * Decodes `bytes` from `from` to `to` into `out`, which has room (code words have at least 5 bits), and returns the
 * number of bytes written; -1 when it is not a valid encoding: the end of string inside it, or padding that is longer
 * than 7 bits or not all ones.
 */
export function huffmanDecode(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let written = 0;
  let bits = 0;
  let count = 0;
  let base = 0;
  for (let at = from; at < to; at += 1) {
    bits = ((bits << 8) | (bytes[at] as number)) & 0xffff;
    count += 8;
    while (count >= 8) {
      const entry = table[base + ((bits >>> (count - 8)) & 0xff)] as number;
      if (entry >= leaf) {
        out[written++] = entry & 0xff;
        count -= (entry >>> 8) & 0xf;
        base = 0;
      } else if (entry === 0) return -1;
      else {
        base = entry << 8;
        count -= 8;
      }
    }
  }
  while (count > 0) {
    const entry = table[base + ((bits << (8 - count)) & 0xff)] as number;
    const used = (entry >>> 8) & 0xf;
    if (entry < leaf || used > count) break;
    out[written++] = entry & 0xff;
    count -= used;
    base = 0;
  }
  const ones = (1 << count) - 1;
  return base === 0 && (bits & ones) === ones ? written : -1;
}

/** Tables of 256 entries, one for each first byte of a code word that is longer than 8 bits, and so on; the root is the first. */
function buildTable(): Uint16Array {
  const entries: number[] = Array.from({ length: 256 }, () => 0);
  let code = 0;
  let length = 0;
  const symbols = lengths.map((_, symbol) => symbol);
  symbols.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  for (const symbol of symbols) {
    code <<= (lengths[symbol] as number) - length;
    length = lengths[symbol] as number;
    if (symbol !== endOfString) place(entries, symbol, code, length);
    code += 1;
  }
  return Uint16Array.from(entries);
}

function place(entries: number[], symbol: number, code: number, length: number): void {
  let base = 0;
  let left = length;
  for (; left > 8; left -= 8) {
    const at = base + ((code >>> (left - 8)) & 0xff);
    if (entries[at] === 0) {
      entries[at] = entries.length >>> 8;
      for (let i = 0; i < 256; i += 1) entries.push(0);
    }
    base = (entries[at] as number) << 8;
  }
  const first = base + ((code << (8 - left)) & 0xff);
  for (let i = 0; i < 1 << (8 - left); i += 1) entries[first + i] = leaf | (left << 8) | symbol;
}
