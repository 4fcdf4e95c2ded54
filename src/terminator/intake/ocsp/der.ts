/** As much of DER (X.690) as certificates and OCSP responses need. Nothing is believed: every length is checked. */

export interface Der {
  readonly tag: number;
  /** Header included. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

export const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Context-specific, primitive (what is implicit and simple). */
  simple: (n: number): number => 0x80 | n,
  /** Context-specific, constructed. */
  explicit: (n: number): number => 0xa0 | n,
} as const;

/** More elements in one sequence than anything that is read here has. */
const mostElements = 10_000;

/** What does not have the form that is expected. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** The elements that fill the bytes. Throws `DerError`. */
export function readDer(bytes: Buffer): readonly Der[] {
  const elements: Der[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = readElement(bytes, at);
    elements.push(element);
    at += element.whole.length;
    if (elements.length > mostElements) throw new DerError('There are too many elements.');
  }
  return elements;
}

function readElement(bytes: Buffer, at: number): Der {
  const tag = bytes[at] as number;
  if ((tag & 0x1f) === 0x1f) throw new DerError('A tag has several bytes.');
  const first = bytes[at + 1] ?? 0xff;
  let length = first;
  let begin = at + 2;
  if (first >= 0x80) {
    const lengthBytes = first & 0x7f;
    if (lengthBytes === 0 || lengthBytes > 4 || begin + lengthBytes > bytes.length)
      throw new DerError('A length is not DER.');
    length = bytes.readUIntBE(begin, lengthBytes);
    begin += lengthBytes;
    // The shortest form is the only one.
    if (length < 0x80 || length < 2 ** (8 * (lengthBytes - 1))) throw new DerError('A length is not DER.');
  }
  const end = begin + length;
  if (end > bytes.length) throw new DerError('An element is cut short.');
  return { tag, whole: bytes.subarray(at, end), content: bytes.subarray(begin, end) };
}

/** Reads the elements of a sequence one after the other. Throws `DerError` where one is missing or another one stands. */
export class DerSequence {
  readonly #elements: readonly Der[];
  #next = 0;

  constructor(content: Buffer) {
    this.#elements = readDer(content);
  }

  take(tag: number): Der {
    const element = this.#elements[this.#next];
    if (element?.tag !== tag) throw new DerError('An element is missing or of another kind.');
    this.#next += 1;
    return element;
  }

  takeAny(): Der {
    const element = this.#elements[this.#next];
    if (element === undefined) throw new DerError('An element is missing.');
    this.#next += 1;
    return element;
  }

  /** Undefined when another one, or nothing, is next. */
  optional(tag: number): Der | undefined {
    return this.#elements[this.#next]?.tag === tag ? this.take(tag) : undefined;
  }
}

/** The one element that the bytes are. */
export function single(bytes: Buffer, tag: number): Der {
  const [element, ...others] = readDer(bytes);
  if (element?.tag !== tag || others.length > 0) throw new DerError('There is not the one element that is expected.');
  return element;
}

/** Dotted, as in `1.3.6.1.5.5.7.48.1.1`. */
export function readOid({ tag, content }: Der): string {
  if (tag !== tags.oid || content.length === 0 || content.length > 64)
    throw new DerError('That is no object identifier.');
  const arcs: number[] = [];
  let arc = 0;
  for (const [i, byte] of content.entries()) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    } else if (i === content.length - 1) throw new DerError('An object identifier is cut short.');
  }
  const [head = 0, ...rest] = arcs;
  const top = Math.min(2, Math.floor(head / 40));
  return [top, head - top * 40, ...rest].join('.');
}

/** Milliseconds since the epoch. RFC 5280 §4.1.2.5: in UTC, with seconds, without fractions; two digits mean 1950 to 2049. */
export function readTime({ tag, content }: Der): number {
  const text = content.toString('latin1');
  const century = tag === tags.utcTime ? (text < '5' ? '20' : '19') : '';
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text);
  if ((tag !== tags.generalizedTime && tag !== tags.utcTime) || match === null) throw new DerError('That is no time.');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(at);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new DerError('That is no time.');
  return at;
}

/** The bytes of a BIT STRING that has no unused bits. */
export function readBits({ tag, content }: Der): Buffer {
  if (tag !== tags.bitString || content[0] !== 0) throw new DerError('That is no string of whole bytes.');
  return content.subarray(1);
}

export function writeDer(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}
