import type { FieldReader } from './fields.ts';
import { readFields } from './fields.ts';
import type { Refusal } from './refusal.ts';

/** Nothing in a trailer section says how to read the message; whoever passes it on drops what must not be in it. */
class Trailers implements FieldReader {
  readonly list: string[] = [];

  special(): undefined {
    return undefined;
  }
}

/** The section's fields (name, value, …), which end with an empty line in the bytes. */
export function readTrailers(bytes: Buffer, most: number): readonly string[] | Refusal {
  const trailers = new Trailers();
  const section = { bytes, text: bytes.toString('latin1'), offset: 0 };
  return readFields(section, 0, most, trailers) ?? trailers.list;
}
