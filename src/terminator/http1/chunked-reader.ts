/** A chunked request body (RFC 9112 §7.1): only CRLF ends a line, sizes and everything between the chunks are bounded. */
import { cr, lf, space, tab, tokenBytes, valueBytes } from './bytes.ts';
import { Held } from './held.ts';
import { refusals, type Refusal } from './refusal.ts';
import { readTrailers } from './trailers.ts';

/** 2^48 bytes are enough for anybody, and exact as a number. */
const mostDigits = 12;
/** Of one body, all together; nobody uses them, so they are thrown away. */
const mostExtensionBytes = 4_096;
const semicolon = 0x3b;

export interface ChunkedLimits {
  readonly trailerBytes: number;
  readonly trailerCount: number;
}

type State =
  'size' | 'space' | 'extension-name' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done';

export class ChunkedReader {
  trailers: readonly string[] = [];
  readonly #limits: ChunkedLimits;
  #state: State = 'size';
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #section: Held | undefined;

  constructor(limits: ChunkedLimits) {
    this.#limits = limits;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /**
   * Reads from `at`, adds the data to `pieces` as parts of `bytes`, and says where it stopped: at the end of the bytes
   * or behind the body.
   */
  read(bytes: Buffer, at: number, pieces: Buffer[]): number | Refusal {
    let next = at;
    while (next < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, next + this.#left);
        this.#left -= end - next;
        if (this.#left === 0) this.#state = 'data-cr';
        pieces.push(bytes.subarray(next, end));
        next = end;
      } else if (this.#state === 'trailers') {
        const end = this.#readTrailers(bytes, next);
        if (typeof end !== 'number') return end;
        next = end;
      } else {
        const problem = this.#take(bytes[next] as number);
        if (problem !== undefined) return problem;
        next += 1;
      }
    }
    return next;
  }

  /** One byte of what stands between the chunks. */
  #take(byte: number): Refusal | undefined {
    switch (this.#state) {
      case 'size':
        return this.#takeSize(byte);
      case 'space': // RFC 9112 §7.1.1: allowed before an extension only
        if (byte === semicolon) this.#state = 'extension-name';
        else if (!isBlank(byte)) return refusals.chunkSize;
        return this.#countExtension();
      case 'extension-name':
        if (tokenBytes[byte] === 1) this.#state = 'extension';
        else if (!isBlank(byte)) return refusals.chunkExtension;
        return this.#countExtension();
      case 'extension':
        if (byte === cr) this.#state = 'size-lf';
        else if (valueBytes[byte] !== 1) return refusals.chunkExtension;
        return this.#countExtension();
      case 'size-lf':
        if (byte !== lf) return refusals.chunkSize;
        this.#state = this.#left === 0 ? 'trailers' : 'data';
        this.#digits = 0;
        return undefined;
      case 'data-cr':
        if (byte !== cr) return refusals.chunkEnd;
        this.#state = 'data-lf';
        return undefined;
      default:
        if (byte !== lf) return refusals.chunkEnd;
        this.#state = 'size';
        return undefined;
    }
  }

  #takeSize(byte: number): Refusal | undefined {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if ((this.#digits += 1) > mostDigits) return refusals.chunkSize;
      this.#left = this.#left * 16 + digit;
      return undefined;
    }
    if (this.#digits === 0) return refusals.chunkSize;
    if (byte === cr) this.#state = 'size-lf';
    else if (byte === semicolon) this.#state = 'extension-name';
    else if (isBlank(byte)) this.#state = 'space';
    else return refusals.chunkSize;
    return undefined;
  }

  #countExtension(): Refusal | undefined {
    return (this.#extensionBytes += 1) > mostExtensionBytes ? refusals.chunkExtension : undefined;
  }

  /** Collects the section up to its empty line; nearly always there is nothing but that line. */
  #readTrailers(bytes: Buffer, at: number): number | Refusal {
    if (this.#section === undefined && bytes[at] === cr && bytes[at + 1] === lf) {
      this.#state = 'done';
      return at + 2;
    }
    const before = this.#section?.length ?? 0;
    if (this.#section === undefined) this.#section = new Held(bytes.subarray(at));
    else this.#section.add(bytes.subarray(at));
    const section = this.#section.bytes;
    const end = endOfSection(section, before);
    if (end === undefined ? section.length > this.#limits.trailerBytes : end > this.#limits.trailerBytes) {
      return refusals.trailersTooLarge;
    }
    if (end === undefined) return bytes.length;
    const trailers = readTrailers(section.subarray(0, end), this.#limits.trailerCount);
    if ('reason' in trailers) return trailers;
    this.trailers = trailers;
    this.#section = undefined;
    this.#state = 'done';
    return at + end - before;
  }
}

/** Index behind the empty line; `before`: how much of the section has been looked at. */
function endOfSection(section: Buffer, before: number): number | undefined {
  if (section[0] === cr && section[1] === lf) return 2;
  const end = section.indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
  return end < 0 ? undefined : end + 4;
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}

/** -1 for anything else. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
