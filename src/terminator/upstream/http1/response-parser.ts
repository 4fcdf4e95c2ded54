import { latin1 } from '../../head-text/latin1.ts';
import { ChunkedDecoder } from './chunked.ts';
import type { Loan } from './read-buffer.ts';
import { BadResponse, parseResponseHead, type ResponseHead } from './response-head.ts';

export interface ResponseEvents {
  /** 1xx but 101. */
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** `loan`: where the chunk lies; undefined: in memory of its own. */
  onData(chunk: Buffer, loan: Loan | undefined): void;
  /** The response is complete, exactly on its framing. */
  onEnd(trailers: readonly string[]): void;
  /** 101: whatever follows is no HTTP. `rest` is what came with it. */
  onUpgrade(head: ResponseHead, rest: Buffer): void;
}

const longestHead = 65_536;
const mostInformational = 20;
/** Of what was read, so much is looked at first: a small head before a large body is not copied with it. */
const firstLook = 4_096;
const noTrailers: readonly string[] = [];
const empty = Buffer.alloc(0);
/** RFC 9110 §15.3.6: a 205 has none, however it is framed. */
const noBody = {
  onData(): void {
    throw new BadResponse('A 205 has a body.');
  },
};

/** Reads the HTTP/1.1 responses of one connection, each after `begin`. Throws `BadResponse` for what HTTP does not allow. */
export class ResponseParser {
  readonly #events: ResponseEvents;
  #method = 'GET';
  #upgradable = false;
  #state: 'head' | 'body' | 'chunked' | 'close' | 'done' = 'done';
  /** Of a head that came in pieces. */
  #pending = '';
  /** Where the head that was read last ends. */
  #headEnd = 0;
  #left = 0;
  #chunked: ChunkedDecoder | undefined;
  /** A 205 whose body may turn out not to be empty. */
  #held: ResponseHead | undefined;
  #informational = 0;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** The next bytes are the response to a request of this method. */
  begin(method: string, upgradable: boolean): void {
    this.#method = method;
    this.#upgradable = upgradable;
    this.#state = 'head';
    this.#informational = 0;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Bytes that the present body still has, as far as that is known; endless while nobody knows. */
  get left(): number {
    return this.#state === 'body' ? this.#left : this.#state === 'head' || this.#state === 'done' ? 0 : Infinity;
  }

  /**
   * Feeds the first `length` bytes of `data` and returns how many of them belong to no response. `loan`: they stay as
   * they are, so slices may be passed on; without one, what is passed on is copied before the first event.
   */
  push(data: Buffer, length: number, loan: Loan | undefined): number {
    let chunk = data;
    let at = 0;
    let end = length;
    let copied = loan !== undefined;
    while (at < end && this.#state !== 'done') {
      let head: ResponseHead | undefined;
      if (this.#state === 'head') {
        head = this.#readHead(chunk, at, end);
        if (head === undefined) return 0;
        at = this.#headEnd;
      }
      if (!copied && at < end) {
        chunk = Buffer.allocUnsafe(end - at);
        data.copy(chunk, 0, at, end);
        end -= at;
        at = 0;
        copied = true;
      }
      if (head === undefined) at = this.#readBody(chunk, at, end, loan);
      else if (head.status === 101) {
        this.#state = 'done';
        this.#events.onUpgrade(head, at < end ? chunk.subarray(at, end) : empty);
        return 0;
      } else this.#begin(head);
    }
    return end - at;
  }

  /** The backend closed its side. True when that was the end of the body. */
  close(): boolean {
    if (this.#state !== 'close') return this.#state === 'done';
    this.#finish(noTrailers);
    return true;
  }

  #readHead(chunk: Buffer, at: number, length: number): ResponseHead | undefined {
    const before = this.#pending.length;
    let seen = Math.min(length, at + firstLook);
    let text = this.#pending + latin1(chunk, at, seen);
    let end = text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end < 0 && seen < length) {
      text += latin1(chunk, seen, length);
      end = text.indexOf('\r\n\r\n', Math.max(0, before + seen - at - 3));
      seen = length;
    }
    if (end < 0 ? text.length > longestHead : end > longestHead)
      throw new BadResponse('The head is larger than 64 KiB.');
    if (end < 0) {
      this.#pending = text;
      return undefined;
    }
    this.#pending = '';
    this.#headEnd = at + end + 4 - before;
    const head = parseResponseHead(text, end, this.#method);
    if (head.status === 101 && !this.#upgradable)
      throw new BadResponse('The backend switched protocols without being asked.');
    return head;
  }

  #begin(head: ResponseHead): void {
    if (head.status < 200) {
      this.#informational += 1;
      if (this.#informational > mostInformational) throw new BadResponse('Too many informational answers.');
      this.#events.onInformational(head);
      return;
    }
    const { framing } = head;
    if (framing === 'close') this.#state = 'close';
    else if (framing === 'chunked') {
      this.#state = 'chunked';
      this.#chunked = new ChunkedDecoder();
    } else {
      this.#state = 'body';
      this.#left = framing;
    }
    if (head.status === 205 && framing !== 0) this.#held = head;
    else this.#events.onHead(head);
    if (framing === 0) this.#finish(noTrailers);
  }

  #readBody(chunk: Buffer, at: number, end: number, loan: Loan | undefined): number {
    const events = this.#held === undefined ? this.#events : noBody;
    if (this.#state === 'body') {
      const stop = Math.min(end, at + this.#left);
      this.#left -= stop - at;
      events.onData(at === 0 && stop === chunk.length ? chunk : chunk.subarray(at, stop), loan);
      if (this.#left === 0) this.#finish(noTrailers);
      return stop;
    }
    if (this.#state === 'chunked') {
      const decoder = this.#chunked as ChunkedDecoder;
      decoder.loan = loan;
      const stop = decoder.push(chunk, at, end, events);
      if (decoder.done) this.#finish(decoder.trailers);
      return stop;
    }
    events.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), loan);
    return end;
  }

  #finish(trailers: readonly string[]): void {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#events.onHead(held);
    this.#state = 'done';
    this.#chunked = undefined;
    this.#events.onEnd(trailers);
  }
}
