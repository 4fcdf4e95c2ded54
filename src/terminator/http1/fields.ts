/** Field lines of a head or a trailer section (RFC 9112 §5), in one pass over the bytes. */
import { FieldNames, nextHash } from '../head-text/field-names.ts';
import { colon, cr, lf, space, tab, tokenBytes, valueBytes } from './bytes.ts';
import { refusals, type Refusal } from './refusal.ts';

/** Fields that this connection itself has to understand. */
export type Special = 'host' | 'content-length' | 'transfer-encoding' | 'connection' | 'upgrade' | 'expect';

/** Where a section stands in the bytes read; `text` is the same as latin1, so that values can be cut from it. */
export interface Section {
  readonly bytes: Buffer;
  readonly text: string;
  /** Index in `bytes` of the first character of `text`. */
  readonly offset: number;
}

export interface FieldReader {
  readonly list: string[];
  /** A field that the connection has to understand. */
  special(name: Special, value: string): Refusal | undefined;
}

const names = new FieldNames<Special>([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
]);

/**
 * Reads from `start` up to the empty line, whose CRLF has to stand in the bytes: it ends every loop here. No obsolete
 * folding, no whitespace before the colon, CRLF only (RFC 9112 §2.2, §5.1, §5.2).
 */
export function readFields(section: Section, start: number, most: number, reader: FieldReader): Refusal | undefined {
  const { bytes, text, offset } = section;
  const { list } = reader;
  let at = start;
  for (let left = most; ; left -= 1) {
    const from = at;
    let hash = 0;
    let byte = bytes[at] as number;
    while (tokenBytes[byte] === 1) {
      hash = nextHash(hash, byte);
      byte = bytes[(at += 1)] as number;
    }
    if (byte !== colon || at === from) {
      if (at === from && byte === cr && bytes[at + 1] === lf) return undefined;
      return nameProblem(byte);
    }
    if (left === 0) return refusals.tooManyFields;
    const name = names.find(text, from - offset, at - offset, hash);
    const colonAt = at;
    do byte = bytes[(at += 1)] as number;
    while (byte === space || byte === tab);
    const valueAt = at;
    while (valueBytes[byte] === 1) byte = bytes[(at += 1)] as number;
    if (byte !== cr || bytes[at + 1] !== lf) return valueProblem(byte);
    let end = at;
    while (end > valueAt && (bytes[end - 1] === space || bytes[end - 1] === tab)) end -= 1;
    at += 2;
    const value = text.slice(valueAt - offset, end - offset);
    list.push(name.text, value);
    if (name.special !== undefined) {
      // RFC 9110 §5.5 has tabs for whitespace, but not every reader does: not where it decides how to read the rest.
      if (hasTab(bytes, colonAt, valueAt) || hasTab(bytes, end, at)) return refusals.fieldTab;
      const problem = reader.special(name.special, value);
      if (problem !== undefined) return problem;
    }
  }
}

function hasTab(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[at] === tab) return true;
  return false;
}

function nameProblem(byte: number): Refusal {
  if (byte === space || byte === tab) return refusals.fieldSpace;
  if (byte === lf) return refusals.bareLf;
  return byte === cr ? refusals.bareCr : refusals.fieldName;
}

function valueProblem(byte: number): Refusal {
  if (byte === lf) return refusals.bareLf;
  return byte === cr ? refusals.bareCr : refusals.fieldValue;
}
