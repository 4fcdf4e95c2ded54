/** Header blocks that one connection sends (RFC 7541): what repeats is indexed, nothing is Huffman-coded. */
import { defaultTableBytes } from './protocol.ts';
import { staticTable } from './static-table.ts';

type Treatment =
  /** Kept in the dynamic table, so that the next time costs a byte. */
  | 'index'
  /** Different each time, or nearly. */
  | 'plain'
  /** A secret, not to be kept in any table on the way either (RFC 7541 §7.1.3). */
  | 'never'
  /** Means something else, or nothing, in HTTP/2 (RFC 9113 §8.2.2). */
  | 'drop';

interface Entry {
  readonly name: string;
  readonly value: string;
  /** Counted from the first one ever inserted. */
  readonly serial: number;
}

/** What is known of a name on this connection. */
interface Name {
  /** As it goes out: lower-case. */
  readonly name: string;
  readonly treatment: Treatment;
  readonly staticIndex: number;
  /** Those inserted last, the newest at the end; they may have been evicted. */
  readonly entries: Entry[];
  /** Uses since a value was found again. */
  inVain: number;
}

const treatments: ReadonlyMap<string, Treatment> = new Map([
  ...['content-length', 'content-range', 'etag', 'last-modified', 'location', 'age', 'expires'].map(
    (name) => [name, 'plain'] as const,
  ),
  ...['set-cookie', 'authorization', 'cookie', 'www-authenticate', 'authentication-info'].map(
    (name) => [name, 'never'] as const,
  ),
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map(
    (name) => [name, 'drop'] as const,
  ),
]);
const staticNames: ReadonlyMap<string, number> = firstIndexes();
const staticStatuses: ReadonlyMap<number, number> = new Map(
  staticTable.flatMap(([name, value], i) => (name === ':status' ? [[Number(value), i + 1] as const] : [])),
);
const statusName = staticNames.get(':status') as number;

/** A backend that makes names up does not make us remember them. */
const mostNames = 64;
/** After so many different values in a row a name is not worth the table's room, until it is tried again later. */
const mostInVain = 8;
const triedAgain = 64;
/** Values of one name that are remembered. */
const mostValues = 8;
/** Literals need two lengths and a first byte at most this long. */
const perField = 16;

/** The bits of a first byte that say what it is, and those that hold a number (RFC 7541 §6). */
interface Prefix {
  readonly first: number;
  readonly mask: number;
}

const prefixes = {
  indexed: { first: 0x80, mask: 0x7f },
  kept: { first: 0x40, mask: 0x3f },
  tableSize: { first: 0x20, mask: 0x1f },
  never: { first: 0x10, mask: 0x0f },
  plain: { first: 0, mask: 0x0f },
  length: { first: 0, mask: 0x7f },
} as const satisfies Record<string, Prefix>;

/** Bytes that `headers` can need at most, a status included. */
export function blockBound(headers: readonly string[]): number {
  let bytes = 2 * perField;
  for (let i = 0; i < headers.length; i += 1) bytes += (headers[i] as string).length + perField / 2;
  return bytes;
}

export class HpackEncoder {
  readonly #names = new Map<string, Name>();
  /** Live entries are `#entries[#first]` and those behind it. */
  #entries: Entry[] = [];
  #first = 0;
  #inserted = 0;
  #bytes = 0;
  #limit = defaultTableBytes;
  /** The smallest limit since the last block, which the decoder has to be told (RFC 7541 §4.2). */
  #smallest: number | undefined;

  /** SETTINGS_HEADER_TABLE_SIZE of the client; we use no more than the default. */
  limit(bytes: number): void {
    const limit = Math.min(bytes, defaultTableBytes);
    if (limit === this.#limit) return;
    this.#smallest = Math.min(this.#smallest ?? limit, limit);
    this.#limit = limit;
    this.#evict(0);
  }

  /** Writes a block to `out` from `at` on and returns where it ends. `status` 0: trailers. */
  encode(out: Buffer, at: number, status: number, headers: readonly string[]): number {
    let next = this.#smallest === undefined ? at : this.#writeLimit(out, at, this.#smallest);
    if (status !== 0) next = writeStatus(out, next, status);
    for (let i = 0; i < headers.length; i += 2) {
      next = this.#field(out, next, headers[i] as string, headers[i + 1] as string);
    }
    return next;
  }

  #writeLimit(out: Buffer, at: number, smallest: number): number {
    this.#smallest = undefined;
    const next = smallest < this.#limit ? writeInteger(out, at, prefixes.tableSize, smallest) : at;
    return writeInteger(out, next, prefixes.tableSize, this.#limit);
  }

  #field(out: Buffer, at: number, given: string, value: string): number {
    const known = this.#names.get(given) ?? this.#learn(given.toLowerCase());
    if (known.treatment === 'index') {
      const entry = this.#find(known, value);
      if (entry !== undefined) {
        known.inVain = 0;
        return writeInteger(out, at, prefixes.indexed, this.#indexOf(entry));
      }
      known.inVain = known.inVain === triedAgain ? 0 : known.inVain + 1;
      if (known.inVain < mostInVain && this.#fits(known.name, value)) {
        const next = this.#literal(out, writeInteger(out, at, prefixes.kept, this.#nameIndex(known)), known, value);
        this.#insert(known, value);
        return next;
      }
    } else if (known.treatment === 'drop') return at;
    const prefix = known.treatment === 'never' ? prefixes.never : prefixes.plain;
    return this.#literal(out, writeInteger(out, at, prefix, this.#nameIndex(known)), known, value);
  }

  #literal(out: Buffer, at: number, known: Name, value: string): number {
    const next = this.#nameIndex(known) === 0 ? writeString(out, at, known.name) : at;
    return writeString(out, next, value);
  }

  #nameIndex(known: Name): number {
    if (known.staticIndex !== 0) return known.staticIndex;
    const newest = known.entries.at(-1);
    return newest !== undefined && this.#lives(newest) ? this.#indexOf(newest) : 0;
  }

  #learn(name: string): Name {
    const before = this.#names.get(name);
    if (before !== undefined) return before;
    if (this.#names.size >= mostNames) this.#names.clear();
    const staticIndex = staticNames.get(name) ?? 0;
    const known = { name, treatment: treatments.get(name) ?? 'index', staticIndex, entries: [], inVain: 0 };
    this.#names.set(name, known);
    return known;
  }

  #find({ entries }: Name, value: string): Entry | undefined {
    for (let i = entries.length - 1; i >= 0; i -= 1) {
      const entry = entries[i] as Entry;
      if (!this.#lives(entry)) return undefined;
      if (entry.value === value) return entry;
    }
    return undefined;
  }

  #lives(entry: Entry): boolean {
    return this.#inserted - entry.serial < this.#entries.length - this.#first;
  }

  #indexOf(entry: Entry): number {
    return staticTable.length + 1 + this.#inserted - entry.serial;
  }

  /** One entry may not push out all the others. */
  #fits(name: string, value: string): boolean {
    return name.length + value.length + 32 <= this.#limit / 4;
  }

  #insert(known: Name, value: string): void {
    const size = known.name.length + value.length + 32;
    this.#evict(size);
    this.#inserted += 1;
    const entry = { name: known.name, value, serial: this.#inserted };
    const { entries } = known;
    while (entries.length > 0 && (entries.length >= mostValues || !this.#lives(entries[0] as Entry))) entries.shift();
    entries.push(entry);
    this.#entries.push(entry);
    this.#bytes += size;
  }

  #evict(size: number): void {
    while (this.#bytes + size > this.#limit && this.#first < this.#entries.length) {
      const { name, value } = this.#entries[this.#first] as Entry;
      this.#bytes -= name.length + value.length + 32;
      this.#first += 1;
    }
    if (this.#first < 64) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}

function writeStatus(out: Buffer, at: number, status: number): number {
  const index = staticStatuses.get(status);
  if (index !== undefined) {
    out[at] = 0x80 | index;
    return at + 1;
  }
  return writeString(out, writeInteger(out, at, prefixes.plain, statusName), String(status));
}

/** RFC 7541 §5.1. */
function writeInteger(out: Buffer, at: number, prefix: Prefix, value: number): number {
  const { first, mask } = prefix;
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at] = first | mask;
  let rest = value - mask;
  let next = at + 1;
  for (; rest >= 0x80; rest >>>= 7) out[next++] = (rest & 0x7f) | 0x80;
  out[next] = rest;
  return next + 1;
}

/** RFC 7541 §5.2, without Huffman code; latin1, as strings were read. */
function writeString(out: Buffer, at: number, text: string): number {
  const { length } = text;
  const from = writeInteger(out, at, prefixes.length, length);
  if (length > 24) out.write(text, from, 'latin1');
  else for (let i = 0; i < length; i += 1) out[from + i] = text.charCodeAt(i);
  return from + length;
}

function firstIndexes(): Map<string, number> {
  const indexes = new Map<string, number>();
  for (const [i, [name]] of staticTable.entries()) if (!indexes.has(name)) indexes.set(name, i + 1);
  return indexes;
}
