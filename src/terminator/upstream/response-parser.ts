import { ChunkedDecoder } from './chunked.ts';
import { BadResponse, parseResponseHead, type ResponseHead } from './response-head.ts';

export interface ResponseEvents {
  /** 1xx but 101. */
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  onData(chunk: Buffer): void;
  /** The response is complete, exactly on its framing. */
  onEnd(trailers: readonly string[]): void;
  /** 101: whatever follows is no HTTP. `rest` is what came with it. */
  onUpgrade(head: ResponseHead, rest: Buffer): void;
}

const longestHead = 65_536;
const mostInformational = 20;
const empty = Buffer.alloc(0);

/** Reads one HTTP/1.1 response; make a new one for the next. Throws `BadResponse` for what HTTP does not allow. */
export class ResponseParser {
  readonly #events: ResponseEvents;
  readonly #method: string;
  readonly #upgradable: boolean;
  #state: 'head' | 'body' | 'chunked' | 'close' | 'done' = 'head';
  #pending: Buffer = empty;
  #left = 0;
  #chunked: ChunkedDecoder | undefined;
  #informational = 0;

  constructor(events: ResponseEvents, method: string, upgradable: boolean) {
    this.#events = events;
    this.#method = method;
    this.#upgradable = upgradable;
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Feeds bytes and returns how many belonged to this response; fewer than given means that something follows it. */
  push(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#state !== 'done') {
      if (this.#state === 'head') at = this.#readHead(chunk, at);
      else if (this.#state === 'body') at = this.#readBody(chunk, at);
      else if (this.#state === 'chunked') at = this.#readChunked(chunk, at);
      else {
        this.#events.onData(chunk.subarray(at));
        at = chunk.length;
      }
    }
    return at;
  }

  /** The backend closed its side. True when that was the end of the body. */
  close(): boolean {
    if (this.#state !== 'close') return this.#state === 'done';
    this.#finish([]);
    return true;
  }

  #readHead(chunk: Buffer, at: number): number {
    const before = this.#pending.length;
    const data = before === 0 ? chunk.subarray(at) : Buffer.concat([this.#pending, chunk.subarray(at)]);
    const end = data.indexOf('\r\n\r\n', Math.max(0, before - 3), 'latin1');
    if (end < 0 ? data.length > longestHead : end > longestHead)
      throw new BadResponse('The head is larger than 64 KiB.');
    if (end < 0) {
      this.#pending = Buffer.from(data);
      return chunk.length;
    }
    this.#pending = empty;
    const next = at + end + 4 - before;
    const head = parseResponseHead(data.toString('latin1', 0, end), this.#method);
    if (head.status === 101) {
      if (!this.#upgradable) throw new BadResponse('The backend switched protocols without being asked.');
      this.#state = 'done';
      this.#events.onUpgrade(head, chunk.subarray(next));
      return chunk.length;
    }
    if (head.status < 200) {
      this.#informational += 1;
      if (this.#informational > mostInformational) throw new BadResponse('Too many informational answers.');
      this.#events.onInformational(head);
      return next;
    }
    this.#begin(head);
    return next;
  }

  #begin(head: ResponseHead): void {
    this.#events.onHead(head);
    const { framing } = head;
    if (framing === 'none') this.#finish([]);
    else if (framing === 'close') this.#state = 'close';
    else if (framing === 'chunked') {
      this.#state = 'chunked';
      this.#chunked = new ChunkedDecoder();
    } else if (framing.length === 0) this.#finish([]);
    else {
      this.#state = 'body';
      this.#left = framing.length;
    }
  }

  #readBody(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    this.#events.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (this.#left === 0) this.#finish([]);
    return end;
  }

  #readChunked(chunk: Buffer, at: number): number {
    const decoder = this.#chunked as ChunkedDecoder;
    const end = decoder.push(chunk, at, (data) => this.#events.onData(data));
    if (decoder.done) this.#finish(decoder.trailers);
    return end;
  }

  #finish(trailers: readonly string[]): void {
    this.#state = 'done';
    this.#events.onEnd(trailers);
  }
}
