/** A header or trailer section of a request while it is decoded (RFC 9113 §8.1 to §8.3). */
import { fieldKind, sizeOf, type Field } from './hpack-field.ts';
import type { FieldSink } from './hpack-decoder.ts';
import type { Http2Limit } from './limit.ts';

export interface SectionLimits {
  /** Names, values and 32 for each field, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  readonly headerBytes: number;
  readonly headerCount: number;
}

export class HeaderSection implements FieldSink {
  method: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
  host: string | undefined;
  /** Of the body; undefined: not said. */
  length: number | undefined;
  /** Name, value, …; without pseudo-header fields. */
  readonly headers: string[] = [];
  /** Not a message at all: a stream error. */
  malformed = false;
  /** The limit that it went over; the fields from there on are not kept. */
  tooLarge: Extract<Http2Limit, 'header-bytes' | 'header-count'> | undefined;
  #bytes = 0;
  #fields = 0;
  readonly #limits: SectionLimits;

  constructor(limits: SectionLimits) {
    this.#limits = limits;
  }

  /** Whether there was a pseudo-header field: a trailer section has none. */
  get hasPseudo(): boolean {
    return (this.method ?? this.scheme ?? this.authority ?? this.path ?? this.protocol) !== undefined;
  }

  add(field: Field): void {
    if (this.tooLarge !== undefined) return;
    this.#bytes += sizeOf(field);
    this.#fields += 1;
    if (this.#bytes > this.#limits.headerBytes) this.tooLarge = 'header-bytes';
    else if (this.#fields > this.#limits.headerCount) this.tooLarge = 'header-count';
    else if (field.kind === fieldKind.regular) this.headers.push(field.name, field.value);
    else this.#special(field);
  }

  #special({ kind, name, value }: Field): void {
    switch (kind) {
      case fieldKind.method:
        this.#once(this.method);
        this.method = value;
        return;
      case fieldKind.scheme:
        this.#once(this.scheme);
        this.scheme = value;
        return;
      case fieldKind.authority:
        this.#once(this.authority);
        this.authority = value;
        return;
      case fieldKind.path:
        this.#once(this.path);
        this.path = value;
        return;
      case fieldKind.protocol:
        this.#once(this.protocol);
        this.protocol = value;
        return;
      case fieldKind.contentLength:
        if (this.length !== undefined) this.malformed = true;
        this.length = lengthOf(value);
        if (this.length === undefined) this.malformed = true;
        break;
      case fieldKind.host:
        if (this.host !== undefined) this.malformed = true;
        this.host = value;
        break;
      case fieldKind.te:
        if (value.toLowerCase() !== 'trailers') this.malformed = true;
        break;
      default:
        this.malformed = true;
        return;
    }
    this.headers.push(name, value);
  }

  /** A pseudo-header field stands once, and before all others. */
  #once(before: string | undefined): void {
    if (before !== undefined || this.headers.length > 0) this.malformed = true;
  }
}

/** Digits only; no leading zero, which some readers take for octal. */
function lengthOf(value: string): number | undefined {
  return /^(?:0|[1-9]\d{0,14})$/.test(value) ? Number(value) : undefined;
}
