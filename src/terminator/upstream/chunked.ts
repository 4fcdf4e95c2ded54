import { BadResponse, parseFields } from './response-head.ts';

const longestSizeLine = 1024;
const longestTrailers = 16_384;

/** Decoder of one chunked body (RFC 9112 §7.1). Only CRLF ends a line; extensions are skipped. */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'data-end' | 'trailers' | 'done' = 'size';
  #line = '';
  #left = 0;
  readonly trailers: string[] = [];

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Decodes from `offset`, calls `onData` with slices of `chunk`, and returns where it stopped: the end, or after the body. */
  push(chunk: Buffer, offset: number, onData: (data: Buffer) => void): number {
    let at = offset;
    while (at < chunk.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const end = Math.min(chunk.length, at + this.#left);
        this.#left -= end - at;
        if (this.#left === 0) this.#state = 'data-end';
        onData(chunk.subarray(at, end));
        at = end;
      } else {
        at = this.#readLine(chunk, at);
      }
    }
    return at;
  }

  #readLine(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(10, at);
    const end = newline < 0 ? chunk.length : newline + 1;
    this.#line += chunk.toString('latin1', at, end);
    if (this.#line.length > (this.#state === 'trailers' ? longestTrailers : longestSizeLine)) {
      throw new BadResponse('A line of the chunked body is too long.');
    }
    if (newline < 0) return end;
    if (!this.#line.endsWith('\r\n')) throw new BadResponse('A line of the chunked body does not end in CRLF.');
    const line = this.#line.slice(0, -2);
    this.#line = '';
    this.#takeLine(line);
    return end;
  }

  #takeLine(line: string): void {
    if (this.#state === 'data-end') {
      if (line !== '') throw new BadResponse('A chunk is longer than it says.');
      this.#state = 'size';
    } else if (this.#state === 'trailers') {
      if (line === '') this.#state = 'done';
      else if (this.trailers.length >= 200) throw new BadResponse('The chunked body has too many trailers.');
      else this.trailers.push(...parseFields([line], 0));
    } else {
      const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line)?.[1];
      if (size === undefined) throw new BadResponse('A chunk size is malformed.');
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailers' : 'data';
    }
  }
}
