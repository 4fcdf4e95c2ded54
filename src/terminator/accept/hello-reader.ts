/** Finds the ClientHello in the first bytes of a connection: TLS records (RFC 8446 §5.1), however they are cut. */
import { parseClientHello, type ClientHello } from './client-hello.ts';

/** A hello; or `more` bytes are needed; or it is a request in plain HTTP; or nothing that a TLS client would send. */
export type HelloResult = ClientHello | 'more' | 'plain-http' | 'malformed';

const recordHeader = 5;
const handshakeHeader = 4;
const handshakeRecord = 22;
const clientHello = 1;
const longestRecord = 16_384;
/** As in OpenSSL and Go; what clients send has 0.3 to 2 KiB. */
const longestHello = 65_536;
/** A hello in more pieces than this is no client's doing. */
const mostRecords = 64;
const longestMethod = 20;

/** For one connection. The usual hello, whole in one record and one chunk, is read where it lies. */
export class HelloReader {
  #bytes: Buffer | undefined;
  /** Of `#bytes`; it grows by doubling, so that a client that sends single bytes costs no more than one that does not. */
  #length = 0;
  /** Begin of the first record that has not been seen whole. */
  #at = 0;
  #records = 0;
  /** Handshake bytes in the records before `#at`. */
  #gathered = 0;

  /** Everything taken so far: to be handed on with the connection. */
  get bytes(): Buffer {
    const bytes = this.#bytes ?? Buffer.alloc(0);
    return bytes.length === this.#length ? bytes : bytes.subarray(0, this.#length);
  }

  /** Takes the next bytes. After any answer but `more`, it is not to be called again. */
  push(chunk: Buffer): HelloResult {
    if (this.#bytes === undefined) {
      this.#bytes = chunk;
      this.#length = chunk.length;
    } else this.#append(chunk);
    const bytes = this.#bytes;
    const length = this.#length;
    if (length === 0) return 'more';
    if (bytes[0] !== handshakeRecord) return readMethod(bytes, length);
    return this.#readRecords(bytes, length);
  }

  #readRecords(bytes: Buffer, length: number): HelloResult {
    for (;;) {
      const at = this.#at;
      if (length > at && bytes[at] !== handshakeRecord) return 'malformed';
      if (length > at + 1 && bytes[at + 1] !== 3) return 'malformed';
      if (length < at + recordHeader) return 'more';
      const size = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
      if (size === 0 || size > longestRecord) return 'malformed';
      const end = at + recordHeader + size;
      const only = this.#records === 0;
      if (only && length > recordHeader && bytes[recordHeader] !== clientHello) return 'malformed';
      if (only && length >= recordHeader + handshakeHeader && size >= handshakeHeader) {
        const body = bodyLength(bytes, recordHeader);
        if (body > longestHello || body + handshakeHeader < size) return 'malformed';
        if (body + handshakeHeader === size) {
          if (length < end) return 'more';
          return parseClientHello(bytes, recordHeader + handshakeHeader, end) ?? 'malformed';
        }
      }
      if (length < end) return 'more';
      this.#records += 1;
      this.#gathered += size;
      this.#at = end;
      const result = this.#gathered < handshakeHeader ? 'more' : this.#gather(bytes);
      if (result !== 'more') return result;
      if (this.#records >= mostRecords) return 'malformed';
    }
  }

  /** The message out of several records, once they have all of it. */
  #gather(bytes: Buffer): HelloResult {
    const head = this.#payload(bytes, handshakeHeader);
    const body = bodyLength(head, 0);
    if (body > longestHello || body + handshakeHeader < this.#gathered) return 'malformed';
    if (body + handshakeHeader > this.#gathered) return 'more';
    return parseClientHello(this.#payload(bytes, this.#gathered), handshakeHeader, this.#gathered) ?? 'malformed';
  }

  /** The first `length` handshake bytes of the records before `#at`. */
  #payload(bytes: Buffer, length: number): Buffer {
    const payload = Buffer.allocUnsafe(length);
    for (let at = 0, to = 0; to < length;) {
      const from = at + recordHeader;
      at = from + (((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number));
      to += bytes.copy(payload, to, from, Math.min(at, from + length - to));
    }
    return payload;
  }

  #append(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    let bytes = this.#bytes as Buffer;
    // The first buffer is the caller's: it is never written to.
    if (length > bytes.length || this.#length === bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, 2 * this.#length, 2_048));
      bytes.copy(larger, 0, 0, this.#length);
      bytes = larger;
    }
    chunk.copy(bytes, this.#length);
    this.#bytes = bytes;
    this.#length = length;
  }
}

function bodyLength(bytes: Buffer, at: number): number {
  return ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** A method in capitals and the space after it (RFC 9112 §3) are enough to answer in HTTP. */
function readMethod(bytes: Buffer, length: number): HelloResult {
  for (let at = 0; at < length; at += 1) {
    const byte = bytes[at] as number;
    if (byte === 0x20 && at > 0) return 'plain-http';
    if (byte < 0x41 || byte > 0x5a || at >= longestMethod) return 'malformed';
  }
  return 'more';
}
