/** A header field as the HPACK decoder makes it: what has to be known about it is found out once, not each time it is repeated. */
import { space, tab, tokenBytes, valueBytes } from '../http1/bytes.ts';
import { staticTable } from './static-table.ts';

/** What the receiver of a header section has to do about a field. */
export const fieldKind = {
  regular: 0,
  /** May not stand in a message (RFC 9113 §8.2). */
  malformed: 1,
  method: 2,
  scheme: 3,
  authority: 4,
  path: 5,
  protocol: 6,
  contentLength: 7,
  host: 8,
  te: 9,
} as const;

export type FieldKind = (typeof fieldKind)[keyof typeof fieldKind];

export interface Field {
  readonly name: string;
  readonly value: string;
  readonly kind: FieldKind;
  /** Of the name alone: for other values under the same name. */
  readonly nameKind: FieldKind;
}

/** RFC 7541 §4.1. */
export function sizeOf(field: { readonly name: string; readonly value: string }): number {
  return field.name.length + field.value.length + 32;
}

const kinds: ReadonlyMap<string, FieldKind> = new Map([
  [':method', fieldKind.method],
  [':scheme', fieldKind.scheme],
  [':authority', fieldKind.authority],
  [':path', fieldKind.path],
  [':protocol', fieldKind.protocol],
  ['content-length', fieldKind.contentLength],
  ['host', fieldKind.host],
  ['te', fieldKind.te],
  // RFC 9113 §8.2.2: of one connection, and HTTP/2 has other means.
  ['connection', fieldKind.malformed],
  ['proxy-connection', fieldKind.malformed],
  ['keep-alive', fieldKind.malformed],
  ['transfer-encoding', fieldKind.malformed],
  ['upgrade', fieldKind.malformed],
]);

/** The kind of a name that came as a literal; `well`: its bytes are a lower-case token. */
export function kindOfName(name: string, well: boolean): FieldKind {
  return kinds.get(name) ?? (well ? fieldKind.regular : fieldKind.malformed);
}

/** `well`: the bytes of the value are those of a field value. */
export function fieldOf(name: string, nameKind: FieldKind, value: string, well: boolean): Field {
  return { name, value, kind: well ? nameKind : fieldKind.malformed, nameKind };
}

export const staticFields: readonly Field[] = staticTable.map(([name, value]) => {
  const nameKind = kindOfName(name, !name.startsWith(':'));
  return fieldOf(name, nameKind, value, true);
});

/** A lower-case token (RFC 9113 §8.2.1). A pseudo-header field that we know does not come here. */
export function isName(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (tokenBytes[byte] !== 1 || (byte >= 0x41 && byte <= 0x5a)) return false;
  }
  return to > from;
}

/** No control characters, no whitespace at either end (RFC 9113 §8.2.1, RFC 9110 §5.5). */
export function isValue(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return true;
  for (let at = from; at < to; at += 1) if (valueBytes[bytes[at] as number] !== 1) return false;
  return !isBlank(bytes[from]) && !isBlank(bytes[to - 1]);
}

function isBlank(byte: number | undefined): boolean {
  return byte === space || byte === tab;
}
