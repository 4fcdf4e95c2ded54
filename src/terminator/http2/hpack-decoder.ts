/** Header blocks of one connection (RFC 7541 §6). */
import {
  fieldOf,
  isName,
  isValue,
  kindOfName,
  sizeOf,
  staticFields,
  type Field,
  type FieldKind,
} from './hpack-field.ts';
import { huffmanDecode } from './huffman.ts';
import { defaultTableBytes } from './protocol.ts';

export interface FieldSink {
  /** Fields in order. Keeping no more than it wants is the receiver's business: one byte may stand for a large field. */
  add(field: Field): void;
}

/** No integer of a valid block comes near it, and shifts stay exact (RFC 7541 §5.1 asks for a limit). */
const largestInteger = 0xff_ff_ff;
/** Entries of a dynamic table of the size we allow: each counts at least 32 bytes. */
const mostEntries = defaultTableBytes / 32;

const nothing = Buffer.alloc(0);
/** Where Huffman-coded strings are decoded; shared, as each is read out at once. */
let scratch = Buffer.allocUnsafeSlow(16_384);

export class HpackDecoder {
  #block: Buffer = nothing;
  #at = 0;
  #end = 0;
  #failed = false;
  /** Made when first needed: a ring, the newest entry before `#next`. */
  #entries: Field[] | undefined;
  #next = 0;
  #count = 0;
  #bytes = 0;
  #limit = defaultTableBytes;
  /** About the string read last. */
  #text = '';
  #well = true;

  /** Reads a whole block from `from` to `to`; false: it is not valid, and nothing that follows can be read (COMPRESSION_ERROR). */
  decode(block: Buffer, from: number, to: number, sink: FieldSink): boolean {
    this.#block = block;
    this.#at = from;
    this.#end = to;
    this.#failed = false;
    let first = true;
    while (this.#at < to && !this.#failed) {
      const byte = block[this.#at] as number;
      if (byte >= 0x80) {
        const field = this.#fieldAt(this.#integer(0x7f));
        if (field !== undefined) sink.add(field);
      } else if (byte >= 0x40) {
        const field = this.#literal(0x3f);
        if (field !== undefined) {
          this.#insert(field);
          sink.add(field);
        }
      } else if (byte >= 0x20) {
        // RFC 7541 §4.2: at the beginning of a block only.
        if (!first) return false;
        this.#resize(this.#integer(0x1f));
        continue;
      } else {
        const field = this.#literal(0x0f);
        if (field !== undefined) sink.add(field);
      }
      first = false;
    }
    this.#block = nothing;
    return !this.#failed;
  }

  #literal(mask: number): Field | undefined {
    const index = this.#integer(mask);
    let name: string;
    let nameKind: FieldKind;
    if (index === 0) {
      if (!this.#string(isName)) return undefined;
      name = this.#text;
      nameKind = kindOfName(name, this.#well);
    } else {
      const named = this.#fieldAt(index);
      if (named === undefined) return undefined;
      ({ name, nameKind } = named);
    }
    if (this.#failed || !this.#string(isValue)) return undefined;
    return fieldOf(name, nameKind, this.#text, this.#well);
  }

  #fieldAt(index: number): Field | undefined {
    if (index >= 1 && index <= staticFields.length) return staticFields[index - 1];
    const back = index - staticFields.length;
    if (back < 1 || back > this.#count) {
      this.#failed = true;
      return undefined;
    }
    return this.#entries?.[(this.#next - back + mostEntries) % mostEntries];
  }

  /** RFC 7541 §5.1. */
  #integer(mask: number): number {
    let value = (this.#block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#block[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (value > largestInteger) break;
      if (byte < 0x80) return value;
    }
    this.#failed = true;
    return 0;
  }

  /** RFC 7541 §5.2. The text is latin1: bytes pass through as they are. */
  #string(check: (bytes: Uint8Array, from: number, to: number) => boolean): boolean {
    if (this.#at >= this.#end) return this.#fail();
    const coded = (this.#block[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const from = this.#at;
    const to = from + length;
    if (this.#failed || to > this.#end) return this.#fail();
    this.#at = to;
    if (!coded) {
      this.#text = this.#block.toString('latin1', from, to);
      this.#well = check(this.#block, from, to);
      return true;
    }
    // 5 bits are the shortest code word.
    if (length * 1.6 > scratch.length) scratch = Buffer.allocUnsafeSlow(Math.ceil(length * 1.6));
    const decoded = huffmanDecode(this.#block, from, to, scratch);
    if (decoded < 0) return this.#fail();
    this.#text = scratch.toString('latin1', 0, decoded);
    this.#well = check(scratch, 0, decoded);
    return true;
  }

  #fail(): false {
    this.#failed = true;
    return false;
  }

  #resize(limit: number): void {
    if (limit > defaultTableBytes) this.#failed = true;
    else {
      this.#limit = limit;
      this.#evict(0);
    }
  }

  #insert(field: Field): void {
    const size = sizeOf(field);
    this.#evict(size);
    if (size > this.#limit) return; // RFC 7541 §4.4: it empties the table, and is no error
    this.#entries ??= Array.from<Field>({ length: mostEntries });
    this.#entries[this.#next] = field;
    this.#next = (this.#next + 1) % mostEntries;
    this.#count += 1;
    this.#bytes += size;
  }

  /** Makes room for `size` bytes. */
  #evict(size: number): void {
    while (this.#count > 0 && this.#bytes + size > this.#limit) {
      const oldest = (this.#next - this.#count + mostEntries) % mostEntries;
      this.#bytes -= sizeOf(this.#entries?.[oldest] as Field);
      this.#count -= 1;
    }
  }
}
