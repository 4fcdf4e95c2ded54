/** Finds one head after the other in the bytes of a connection, which come in whatever pieces. */
import { parseAuthority } from '../proxy/authority.ts';
import type { Connection } from '../proxy/exchange.ts';
import { cr, lf } from './bytes.ts';
import { headEnd, incompleteProblem, sizeProblem } from './head-end.ts';
import type { HeadParser } from './head-parser.ts';
import { refusals, type Refusal } from './refusal.ts';
import { Http1Request } from './request.ts';

export interface HeadLimits {
  readonly headerBytes: number;
  readonly headerCount: number;
}

export class HeadReader {
  /** Where the bytes begin that the last `read` has left: behind the head that it returned. */
  end = 0;
  readonly #parser: HeadParser;
  readonly #peer: Connection;
  /** How much of an incomplete head has been looked at. */
  #searched = 0;
  #emptyLine = false;
  /** The authority of the request before, and its host. */
  #authority = '';
  #host = '';

  constructor(parser: HeadParser, peer: Connection) {
    this.#parser = parser;
    this.#peer = peer;
  }

  /** `bytes` from `at` on; undefined: more have to come, behind those from `end` on. */
  read(bytes: Buffer, at: number, limits: HeadLimits): Http1Request | Refusal | undefined {
    this.end = at;
    // RFC 9112 §2.2: one empty line before a request line is overlooked.
    if (bytes[at] === cr && !this.#emptyLine) {
      if (at + 1 === bytes.length) return undefined;
      this.#emptyLine = bytes[at + 1] === lf;
      if (this.#emptyLine) this.end = at + 2;
    }
    return this.end === bytes.length ? undefined : this.#readFrom(bytes, this.end, limits);
  }

  #readFrom(
    bytes: Buffer,
    start: number,
    { headerBytes, headerCount }: HeadLimits,
  ): Http1Request | Refusal | undefined {
    const searched = start === 0 ? this.#searched : 0;
    const end = headEnd(bytes, start, searched);
    if ((end < 0 ? bytes.length : end + 4) - start > headerBytes) return sizeProblem(bytes, start, headerBytes);
    if (end < 0) {
      this.#searched = bytes.length - start;
      return incompleteProblem(bytes, start, searched);
    }
    this.#searched = 0;
    this.#emptyLine = false;
    this.end = end + 4;
    const request = new Http1Request(this.#peer);
    const place = { start, end, mostFields: headerCount };
    return this.#parser.parse(bytes, place, request) ?? this.#readHost(request) ?? request;
  }

  #readHost(request: Http1Request): Refusal | undefined {
    if (request.authority !== this.#authority) {
      const host = parseAuthority(request.authority);
      if (host === undefined) return refusals.host;
      // Copies: the authority itself is a part of the whole head and would keep it in memory.
      this.#authority = Buffer.from(request.authority, 'latin1').toString('latin1');
      this.#host = Buffer.from(host, 'latin1').toString('latin1');
    }
    request.authority = this.#authority;
    request.host = this.#host;
    return undefined;
  }
}
