/** A name in a header section that its reader has to look at. */
export interface FieldName<Special extends string> {
  /** As written. */
  readonly text: string;
  readonly special: Special | undefined;
}

const slots = 512;
const longestKept = 40;

/**
 * The other side writes the same few names again and again: each is made a string and looked at once, later sections get
 * that string by a hash of its characters. Holds at most `slots` short names; odd ones only push others out.
 */
export class FieldNames<Special extends string> {
  readonly #specials: ReadonlyMap<string, Special>;
  readonly #slots: (FieldName<Special> | undefined)[] = Array.from({ length: slots });

  /** `specials`: lower-case. */
  constructor(specials: readonly Special[]) {
    this.#specials = new Map(specials.map((name) => [name, name]));
  }

  /** The name that stands in `text` (latin1) from `from` to `to`. `hash`: `nextHash` over its characters. */
  find(text: string, from: number, to: number, hash: number): FieldName<Special> {
    const slot = hash & (slots - 1);
    const known = this.#slots[slot];
    if (known !== undefined && standsAt(known.text, text, from, to)) return known;
    const written = text.slice(from, to);
    const special = this.#specials.get(written.toLowerCase());
    if (written.length > longestKept) return { text: written, special };
    // A copy: a slice would keep the whole section in memory.
    const name = { text: Buffer.from(written, 'latin1').toString('latin1'), special };
    this.#slots[slot] = name;
    return name;
  }
}

export function nextHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0;
}

function standsAt(name: string, text: string, from: number, to: number): boolean {
  if (name.length !== to - from) return false;
  for (let i = 0; i < name.length; i += 1) if (name.charCodeAt(i) !== text.charCodeAt(from + i)) return false;
  return true;
}
