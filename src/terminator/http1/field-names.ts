/** Fields that this connection itself has to understand. */
export type Special = 'host' | 'content-length' | 'transfer-encoding' | 'connection' | 'upgrade' | 'expect';

export interface FieldName {
  /** As written. */
  readonly text: string;
  readonly special: Special | undefined;
}

const specials: ReadonlyMap<string, Special> = new Map(
  (['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'expect'] as const).map((name) => [
    name,
    name,
  ]),
);

const slots = 512;
const longestKept = 40;

/**
 * Clients write the same few names again and again: each is made a string and looked at once, later requests get that
 * string by a hash of its bytes. Holds at most `slots` short names; whoever sends odd ones only pushes others out.
 */
export class FieldNames {
  readonly #slots: (FieldName | undefined)[] = Array.from({ length: slots });

  /** `hash`: any function of the bytes from `from` to `to`. */
  find(bytes: Buffer, from: number, to: number, hash: number): FieldName {
    const slot = hash & (slots - 1);
    const known = this.#slots[slot];
    if (known !== undefined && reads(known.text, bytes, from, to)) return known;
    const text = bytes.toString('latin1', from, to);
    const name = { text, special: specials.get(text.toLowerCase()) };
    if (text.length <= longestKept) this.#slots[slot] = name;
    return name;
  }
}

function reads(text: string, bytes: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}
