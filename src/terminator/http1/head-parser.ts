/** One request head (RFC 9112 §3, §5, §6), read strictly: what two readers could understand differently is refused. */
import { latin1 } from '../head-text/latin1.ts';
import { readFields, type FieldReader, type Special } from './fields.ts';
import { refusals, type Refusal } from './refusal.ts';
import { readRequestLine } from './request-line.ts';
import { Http1Request } from './request.ts';

/** Fields of one head that say how to read it; the parser is used again and again, so it forgets them at each start. */
export class HeadParser implements FieldReader {
  list: string[] = [];
  #host: string | undefined;
  #length: string | undefined;
  #coding: string | undefined;
  #upgrade: string | undefined;
  #close = false;
  #keepAlive = false;
  #upgrades = false;
  #expects = false;

  /**
   * Reads the head that begins at `start` and whose empty line begins at `end` (CRLF CRLF), with at most `mostFields`
   * fields, into `request`. The authority is checked by the caller, who may know it from the request before.
   */
  parse(
    bytes: Buffer,
    place: { start: number; end: number; mostFields: number },
    request: Http1Request,
  ): Refusal | undefined {
    const { start, end, mostFields } = place;
    this.#forget(request);
    const section = { bytes, text: latin1(bytes, start, end), offset: start };
    const fields = readRequestLine(section, request);
    if (typeof fields !== 'number') return fields;
    return readFields(section, fields, mostFields, this) ?? this.#settle(request);
  }

  special(name: Special, value: string): Refusal | undefined {
    switch (name) {
      case 'host':
        if (this.#host !== undefined) return refusals.hosts;
        this.#host = value;
        break;
      case 'content-length':
        if (this.#length !== undefined) return refusals.lengths;
        this.#length = value;
        break;
      case 'transfer-encoding':
        if (this.#coding !== undefined) return refusals.codings;
        this.#coding = value;
        break;
      case 'connection':
        this.#noteConnection(value);
        break;
      case 'upgrade':
        this.#upgrade = this.#upgrade === undefined ? value.toLowerCase() : 'several';
        break;
      case 'expect':
        this.#expects = true;
        break;
    }
    return undefined;
  }

  #forget(request: Http1Request): void {
    this.list = request.headers;
    this.#host = undefined;
    this.#length = undefined;
    this.#coding = undefined;
    this.#upgrade = undefined;
    this.#close = false;
    this.#keepAlive = false;
    this.#upgrades = false;
    this.#expects = false;
  }

  #noteConnection(value: string): void {
    for (const part of value.toLowerCase().split(',')) {
      const option = part.trim();
      if (option === 'close') this.#close = true;
      else if (option === 'keep-alive') this.#keepAlive = true;
      else if (option === 'upgrade') this.#upgrades = true;
    }
  }

  #settle(request: Http1Request): Refusal | undefined {
    const is11 = request.version === '1.1';
    if (this.#host === '') return refusals.host;
    if (this.#host === undefined && is11) return refusals.noHost;
    // RFC 9112 §3.2.2: an absolute target replaces the Host header.
    if (request.authority === '') request.authority = this.#host ?? '';
    if (this.#coding !== undefined) {
      if (this.#length !== undefined) return refusals.lengthAndCoding;
      if (!is11) return refusals.codingVersion;
      if (this.#coding.toLowerCase() !== 'chunked') return refusals.coding;
      request.length = -1;
    } else if (this.#length !== undefined) {
      const length = lengthOf(this.#length);
      if (length === undefined) return refusals.length;
      request.length = length;
    }
    request.keepAlive = is11 ? !this.#close : this.#keepAlive && !this.#close;
    request.expects = this.#expects && is11;
    if (this.#upgrades && this.#upgrade === 'websocket' && is11 && request.method === 'GET') {
      if (request.length !== 0) return refusals.upgradeBody;
      request.upgrade = 'websocket';
    }
    return undefined;
  }
}

/** Digits only; no leading zero, which some readers take for octal. */
function lengthOf(value: string): number | undefined {
  if (value.length === 0 || value.length > 15 || (value.length > 1 && value.charCodeAt(0) === 0x30)) return undefined;
  let length = 0;
  for (let i = 0; i < value.length; i += 1) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    length = length * 10 + digit;
  }
  return length;
}
