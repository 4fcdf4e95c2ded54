/** The answer to one request on its way to an HTTP/1.1 client (RFC 9112 §4, §6, §7): what comes in one turn goes out in one write. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Outbound, Outcome } from '../proxy/exchange.ts';
import { writeLatin1 } from '../head-text/latin1.ts';
import { httpDate } from './http-date.ts';
import { refusalText, type Refusal } from './refusal.ts';
import type { Http1Request } from './request.ts';

/** Larger pieces go out as they are; smaller ones are copied together, which is cheaper than sending them apart. */
const mostCopied = 16_384;

export interface ResponseOwner {
  readonly socket: Socket;
  /** The connection ends with this answer: it has to say so. */
  lastAnswer(closing: boolean): boolean;
  /** The answer is out as far as the socket has room for it. */
  answered(): void;
  /** Ends the connection so that the client sees the answer cut short. */
  cutOff(silently: boolean): void;
  /** The socket, which is the tunnel's from here on. */
  release(): Duplex;
}

type Framing = 'none' | 'length' | 'chunked' | 'close';

export class Http1Response implements Outbound {
  readonly #owner: ResponseOwner;
  readonly #request: Http1Request;
  #status = 0;
  #framing: Framing = 'none';
  #left = 0;
  #bytes = 0;
  /** Held back until the turn ends: text is latin1. */
  #pending: (string | Buffer)[] = [];
  #pendingBytes = 0;
  #state: 'open' | 'ended' | 'tunnel' | 'over' = 'open';
  #closeListeners: ((outcome: Outcome) => void)[] = [];
  #drainListener: (() => void) | undefined;
  #bytesBefore = 0;

  constructor(owner: ResponseOwner, request: Http1Request) {
    this.#owner = owner;
    this.#request = request;
  }

  /** Its head is out, and more of it is to come. */
  get streaming(): boolean {
    return this.#state === 'open' && this.#status !== 0;
  }

  /** `end` has been called: all of it is the socket's. */
  get ended(): boolean {
    return this.#state !== 'open';
  }

  /** Nothing more happens to it. */
  get over(): boolean {
    return this.#state === 'over';
  }

  onClose(listener: (outcome: Outcome) => void): void {
    this.#closeListeners.push(listener);
  }

  onDrain(listener: () => void): void {
    const before = this.#drainListener;
    this.#drainListener =
      before === undefined
        ? listener
        : () => {
            before();
            listener();
          };
  }

  inform(status: number, headers: readonly string[]): void {
    if (this.#state !== 'open' || this.#status !== 0 || status === 101 || this.#request.version === '1.0') return;
    this.#owner.socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fieldText(headers)}\r\n`, 'latin1');
  }

  head(status: number, reason: string, headers: readonly string[], closing: boolean): void {
    if (this.#state !== 'open' || this.#status !== 0) return;
    this.#status = status;
    let fields = '';
    let dated = false;
    let length: string | undefined;
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      if (name.length === 4) dated ||= name.toLowerCase() === 'date';
      else if (name.length === 14 && name.toLowerCase() === 'content-length') {
        length = value;
        if (status === 204) continue; // RFC 9110 §8.6
      }
      fields += `${name}: ${value}\r\n`;
    }
    this.#frame(length);
    const words = reason === '' ? (STATUS_CODES[status] ?? '') : reason;
    const date = dated ? '' : `Date: ${httpDate()}\r\n`; // RFC 9110 §6.6.1
    this.#hold(`HTTP/1.1 ${status} ${words}\r\n${date}${fields}${this.#connectionFields(closing)}\r\n`);
  }

  write(chunk: Buffer, release?: () => void): boolean {
    if (this.#state !== 'open' || this.#framing === 'none' || chunk.length === 0) return true;
    this.#bytes += chunk.length;
    if (this.#framing === 'length' && (this.#left -= chunk.length) < 0) {
      this.cut(); // more than announced: the client would take the rest for another answer
      return true;
    }
    const chunked = this.#framing === 'chunked';
    if (chunked) this.#hold(`${chunk.length.toString(16)}\r\n`);
    if (chunk.length > mostCopied) this.#pass(chunk, chunked, release);
    else {
      this.#hold(chunk);
      if (chunked) this.#hold('\r\n');
    }
    return !this.#owner.socket.writableNeedDrain;
  }

  end(trailers: readonly string[]): void {
    if (this.#state !== 'open') return;
    if (this.#status === 0 || (this.#framing === 'length' && this.#left > 0)) {
      this.cut();
      return;
    }
    if (this.#framing === 'chunked')
      this.#hold(trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${fieldText(trailers)}\r\n`);
    this.#state = 'ended';
    this.#send();
    const { socket } = this.#owner;
    if (socket.destroyed) this.#settle(false);
    else if (!socket.writableNeedDrain) this.#complete();
  }

  flush(): void {
    this.#send();
  }

  tunnel(headers: readonly string[]): Duplex {
    const { socket } = this.#owner;
    this.#status = 101;
    this.#state = 'tunnel';
    const own = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fieldText(headers)}${own}\r\n`, 'latin1');
    this.#bytesBefore = socket.bytesWritten;
    return this.#owner.release();
  }

  cut(): void {
    if (this.#state === 'over') return;
    this.#owner.cutOff(this.#framing === 'close');
    this.#settle(false);
  }

  /** The socket takes more. */
  drained(): void {
    if (this.#state === 'ended') this.#complete();
    else if (this.#state === 'open') this.#drainListener?.();
  }

  /** The connection is gone. */
  gone(): void {
    if (this.#state === 'tunnel') {
      this.#bytes = this.#owner.socket.bytesWritten - this.#bytesBefore;
      this.#settle(true);
    } else if (this.#state !== 'over') this.#settle(false);
  }

  /** What is wrong with the rest of the request is the answer, as far as there is none yet. False: there is, and it was cut. */
  refuse(refusal: Refusal): boolean {
    if (this.#status !== 0) {
      this.cut();
      return false;
    }
    this.#status = refusal.status;
    this.#owner.socket.write(refusalText(refusal), 'latin1');
    this.#settle(true);
    return true;
  }

  #frame(length: string | undefined): void {
    const status = this.#status;
    if (status === 204 || status === 304 || this.#request.method === 'HEAD') return;
    if (length !== undefined) {
      this.#framing = 'length';
      this.#left = Number(length);
    } else this.#framing = this.#request.version === '1.1' ? 'chunked' : 'close';
  }

  #connectionFields(closing: boolean): string {
    const chunked = this.#framing === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '';
    if (this.#owner.lastAnswer(closing || this.#framing === 'close')) return `${chunked}Connection: close\r\n`;
    return this.#request.version === '1.0' ? 'Connection: keep-alive\r\n' : chunked;
  }

  #hold(part: string | Buffer): void {
    if (this.#pendingBytes > 0 && this.#pendingBytes + part.length > mostCopied) this.#send();
    this.#pending.push(part);
    this.#pendingBytes += part.length;
  }

  /** A large piece, together with what stands before it. */
  #pass(chunk: Buffer, chunked: boolean, release: (() => void) | undefined): void {
    const { socket } = this.#owner;
    socket.cork();
    this.#send();
    socket.write(chunk, release);
    if (chunked) socket.write('\r\n', 'latin1');
    socket.uncork();
  }

  #send(): void {
    if (this.#pendingBytes === 0) return;
    const { socket } = this.#owner;
    const [first] = this.#pending;
    if (this.#pending.length === 1 && typeof first === 'string') socket.write(first, 'latin1');
    else socket.write(joined(this.#pending, this.#pendingBytes));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #complete(): void {
    this.#settle(true);
    this.#owner.answered();
  }

  #settle(complete: boolean): void {
    this.#state = 'over';
    this.#pending = [];
    this.#pendingBytes = 0;
    const listeners = this.#closeListeners;
    this.#closeListeners = [];
    const outcome = { status: this.#status, bytes: this.#bytes, complete };
    for (const listener of listeners) listener(outcome);
  }
}

function fieldText(headers: readonly string[]): string {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return text;
}

function joined(parts: readonly (string | Buffer)[], length: number): Buffer {
  const all = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') at += writeLatin1(all, part, at);
    else {
      all.set(part, at);
      at += part.length;
    }
  }
  return all;
}
