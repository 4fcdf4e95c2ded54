import type { Socket } from 'node:net';
import type { Field } from '../../../../src/terminator/http2/hpack-field.ts';
import { HpackDecoder } from '../../../../src/terminator/http2/hpack-decoder.ts';
import { errorCode, flag, frameType, preface } from '../../../../src/terminator/http2/protocol.ts';
import { until } from '../../../support/until.ts';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
  /** Of HEADERS. */
  readonly headers: readonly string[];
}

export function frame(type: number, flags: number, id: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(...entries: [id: number, value: number][]): Buffer {
  return Buffer.concat(
    entries.map(([id, value]) => {
      const bytes = Buffer.alloc(6);
      bytes.writeUInt16BE(id);
      bytes.writeUInt32BE(value, 2);
      return bytes;
    }),
  );
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const rest = bytes.length - 127;
  const length: number[] = [127];
  let left = rest;
  for (; left >= 128; left >>>= 7) length.push((left & 127) | 128);
  length.push(left);
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A header block of literals without indexing. */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

export function request(more: Readonly<Record<string, string>> = {}): Buffer {
  const fields = { ':method': 'GET', ':scheme': 'https', ':authority': 'a.test', ':path': '/', ...more };
  return block(Object.entries(fields));
}

/** A client that is only frames. */
export class FramePeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  readonly #decoder = new HpackDecoder();
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#read(chunk as Buffer));
    socket.once('close', () => (this.closed = true));
  }

  /** Preface and SETTINGS of both sides. */
  async greet(): Promise<void> {
    this.send(preface, frame(frameType.settings, 0, 0));
    await this.until((found) => found.type === frameType.settings && (found.flags & flag.ack) !== 0);
    this.send(frame(frameType.settings, flag.ack, 0));
  }

  send(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Waits for a frame, among those that have come already, too. */
  async until(check: (frame: Frame) => boolean, what = 'a frame'): Promise<Frame> {
    return await until(
      () => {
        const found = this.frames.find(check);
        if (found === undefined && this.closed) throw new Error('the connection is closed');
        return found;
      },
      { everyMs: 2, timeoutMs: 5_000, what },
    );
  }

  async untilClosed(): Promise<void> {
    await until(() => this.closed, { everyMs: 2, timeoutMs: 5_000, what: 'the end of the connection' });
  }

  /** A PING there and back: all that was sent before has been dealt with. */
  async roundTrip(): Promise<void> {
    const payload = Buffer.from(String(Math.random()).slice(2, 10).padEnd(8, '0'));
    this.send(frame(frameType.ping, 0, 0, payload));
    await this.until(({ type, flags, payload: got }) => type === 6 && (flags & 1) !== 0 && got.equals(payload), 'PING');
  }

  /** The error code of its GOAWAY or, for a stream, of its RST_STREAM. */
  async goneAway(): Promise<number> {
    const found = await this.until(
      ({ type, payload }) => type === frameType.goAway && payload.readUInt32BE(4) !== errorCode.noError,
      'GOAWAY with an error',
    );
    return found.payload.readUInt32BE(4);
  }

  async reset(id: number): Promise<number> {
    const found = await this.until((one) => one.type === frameType.rstStream && one.id === id, `RST_STREAM ${id}`);
    return found.payload.readUInt32BE(0);
  }

  of(id: number, type?: number): Frame[] {
    return this.frames.filter((one) => one.id === id && (type === undefined || one.type === type));
  }

  /** The body of a stream so far. */
  body(id: number): string {
    return this.of(id, frameType.data)
      .map(({ payload }) => payload.toString('latin1'))
      .join('');
  }

  async status(id: number): Promise<number> {
    const found = await this.until((one) => one.type === frameType.headers && one.id === id, `HEADERS ${id}`);
    return Number(found.headers[found.headers.indexOf(':status') + 1]);
  }

  async ended(id: number): Promise<void> {
    await this.until((one) => one.id === id && one.type <= 1 && (one.flags & flag.endStream) !== 0, `the end of ${id}`);
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const payload = Buffer.from(this.#rest.subarray(9, 9 + length));
      const [type, flags] = [this.#rest[3] as number, this.#rest[4] as number];
      const id = this.#rest.readUInt32BE(5);
      this.#rest = this.#rest.subarray(9 + length);
      this.frames.push({ type, flags, id, payload, headers: type === frameType.headers ? this.#decode(payload) : [] });
    }
  }

  #decode(payload: Buffer): string[] {
    const headers: string[] = [];
    const add = ({ name, value }: Field): void => void headers.push(name, value);
    if (!this.#decoder.decode(payload, 0, payload.length, { add })) throw new Error('a header block that is not HPACK');
    return headers;
  }
}
