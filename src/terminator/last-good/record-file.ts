/** A file that only grows: encrypted records, one behind the other. */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';

/** Frame: length of the ciphertext (4 bytes, big endian), nonce (12), tag (16), ciphertext. */
const headerBytes = 32;
/** A bundle is at most 1 MiB of PEM, and everything else is smaller. */
const maxRecordBytes = 8 * 1_048_576;
const readBytes = 4 * 1_048_576;

/** Where a record stands, header included. */
export interface Place {
  readonly at: number;
  readonly length: number;
}

export interface FoundRecord {
  readonly place: Place;
  /** Undefined: it has been tampered with, or encrypted with another key. */
  readonly plain: Buffer | undefined;
}

export function seal(key: KeyObject, label: string, plain: Buffer): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(label)); // a record in the place of another is no copy of anything
  const body = cipher.update(plain);
  cipher.final();
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32BE(body.length, 0);
  nonce.copy(frame, 4);
  cipher.getAuthTag().copy(frame, 16);
  body.copy(frame, headerBytes);
  return frame;
}

/** Throws when the frame is not what was sealed under that label. */
export function unseal(key: KeyObject, label: string, frame: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, frame.subarray(4, 16));
  decipher.setAAD(Buffer.from(label));
  decipher.setAuthTag(frame.subarray(16, headerBytes));
  const plain = decipher.update(frame.subarray(headerBytes));
  decipher.final();
  return plain;
}

/** One writer. What a crash leaves half written at the end is cut off by the next `read`. */
export class RecordFile implements AsyncDisposable {
  readonly #handle: FileHandle;
  #size: number;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
  }

  static async open(path: string, flags: 'a+' | 'wx+'): Promise<RecordFile> {
    const handle = await open(path, flags, 0o600);
    const { size } = await handle.stat();
    return new RecordFile(handle, size);
  }

  get size(): number {
    return this.#size;
  }

  /** All frames in one write; when that fails, none of them counts. */
  async append(frames: readonly Buffer[]): Promise<Place[]> {
    const all = frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);
    try {
      for (let done = 0; done < all.length;) {
        const { bytesWritten } = await this.#handle.write(all, done, all.length - done, this.#size + done);
        done += bytesWritten;
      }
    } catch (error) {
      await this.#handle.truncate(this.#size);
      throw error;
    }
    const { size } = await this.#handle.stat();
    if (size !== this.#size + all.length) throw new Error('Another process writes to the same file.');
    return frames.map(({ length }) => {
      const place = { at: this.#size, length };
      this.#size += length;
      return place;
    });
  }

  /** The frame at a place, still sealed. */
  async frame({ at, length }: Place): Promise<Buffer> {
    const frame = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#handle.read(frame, 0, length, at);
    if (bytesRead < length) throw new Error('The file ends before the record does.');
    return frame;
  }

  /** Every record in order. */
  async *read(key: KeyObject, label: string): AsyncIterable<FoundRecord> {
    let rest: Buffer = Buffer.alloc(0);
    let at = 0;
    for (let position = 0; position < this.#size;) {
      const chunk = Buffer.allocUnsafe(Math.min(readBytes, this.#size - position));
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      rest = rest.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      let taken = 0;
      for (let length = frameLength(rest, taken); length !== undefined; length = frameLength(rest, taken)) {
        const frame = rest.subarray(taken, taken + length);
        yield { place: { at, length }, plain: tryUnseal(key, label, frame) };
        taken += length;
        at += length;
      }
      rest = rest.subarray(taken);
      if (rest.length > headerBytes && rest.readUInt32BE(0) > maxRecordBytes) break; // no length: nothing behind it can be found
    }
    if (at < this.#size) {
      await this.#handle.truncate(at);
      this.#size = at;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** Undefined while the frame is not all there, or is none. */
function frameLength(buffer: Buffer, at: number): number | undefined {
  if (buffer.length - at < headerBytes) return undefined;
  const body = buffer.readUInt32BE(at);
  return body > maxRecordBytes || buffer.length - at < headerBytes + body ? undefined : headerBytes + body;
}

function tryUnseal(key: KeyObject, label: string, frame: Buffer): Buffer | undefined {
  try {
    return unseal(key, label, frame);
  } catch {
    return undefined; // counted by whoever reads
  }
}
