import type { Loan } from './read-buffer.ts';
import { BadResponse, FieldLines } from './response-head.ts';

const longestSizeLine = 1024;
const longestTrailers = 16_384;
const mostTrailers = 100;

export interface ChunkedSink {
  onData(data: Buffer, loan: Loan | undefined): void;
}

/** Decoder of one chunked body (RFC 9112 §7.1). Only CRLF ends a line; extensions are skipped. */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #line = '';
  #left = 0;
  /** Length of all trailer lines so far. */
  #trailerBytes = 0;
  readonly #trailers = new FieldLines();
  /** Where the bytes that are pushed lie. */
  loan: Loan | undefined;

  get trailers(): readonly string[] {
    return this.#trailers.list;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Decodes `chunk` from `at` to `end`, gives `sink` slices of it, and returns where it stopped: at `end`, or after the body. */
  push(chunk: Buffer, at: number, end: number, sink: ChunkedSink): number {
    while (at < end && this.#state !== 'done') {
      if (this.#state === 'data') {
        const stop = Math.min(end, at + this.#left);
        this.#left -= stop - at;
        if (this.#left === 0) this.#state = 'data-end';
        sink.onData(chunk.subarray(at, stop), this.loan);
        at = stop;
      } else {
        at = this.#readLine(chunk, at, end);
      }
    }
    return at;
  }

  #readLine(chunk: Buffer, at: number, end: number): number {
    const newline = chunk.indexOf(10, at);
    const stop = newline < 0 || newline >= end ? end : newline + 1;
    if (this.#line.length + stop - at > (this.#state === 'trailers' ? longestTrailers : longestSizeLine)) {
      throw new BadResponse('A line of the chunked body is too long.');
    }
    this.#line += chunk.toString('latin1', at, stop);
    if (stop !== newline + 1) return stop;
    const line = this.#line;
    if (!line.endsWith('\r\n')) throw new BadResponse('A line of the chunked body does not end in CRLF.');
    this.#line = '';
    this.#takeLine(line);
    return stop;
  }

  /** `line` ends in CRLF. */
  #takeLine(line: string): void {
    if (this.#state === 'data-end') {
      if (line.length !== 2) throw new BadResponse('A chunk is longer than it says.');
      this.#state = 'size';
    } else if (this.#state === 'trailers') {
      this.#trailerBytes += line.length;
      if (line.length === 2) this.#state = 'done';
      else if (this.#trailers.list.length >= mostTrailers * 2 || this.#trailerBytes > longestTrailers)
        throw new BadResponse('The chunked body has too many trailers.');
      else this.#trailers.read(line, 0);
    } else {
      this.#left = chunkSize(line);
      this.#state = this.#left === 0 ? 'trailers' : 'data';
    }
  }
}

/** Hexadecimal digits, at most 12, then the end of the line or an extension. */
function chunkSize(line: string): number {
  let size = 0;
  let i = 0;
  for (let digit = hexDigit(line.charCodeAt(0)); digit >= 0; digit = hexDigit(line.charCodeAt(i))) {
    size = size * 16 + digit;
    i += 1;
  }
  const plain = line.charCodeAt(i) === 13 && i + 2 === line.length;
  if (i === 0 || i > 12 || (!plain && !/^[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/.test(line.slice(i)))) {
    throw new BadResponse('A chunk size is malformed.');
  }
  return size;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
