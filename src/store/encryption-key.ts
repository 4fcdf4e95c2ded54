/**
 * Private keys at rest: each row has a data key of its own (AES-256-GCM), wrapped by one master key. The record's kind
 * and key are authenticated with the row, so a row that was moved to another record does not open.
 *
 * Sealed form: format byte 1 · wrap nonce 12 · wrapped data key 32 · wrap tag 16 · nonce 12 · tag 16 · ciphertext.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import { CertplaneError } from '../core/errors.ts';

const format = 1;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes + keyBytes + tagBytes + nonceBytes + tagBytes;

/** The master key. Its bytes leave it only for the key file and for a backup. */
export class EncryptionKey {
  readonly #key: KeyObject;

  /** Throws `store.key-missing` when it is not 32 bytes. */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== keyBytes)
      throw new CertplaneError(
        'store.key-missing',
        `An encryption key has ${keyBytes} bytes, this one ${bytes.length}.`,
      );
    this.#key = createSecretKey(bytes);
  }

  static generate(): EncryptionKey {
    return new EncryptionKey(randomBytes(keyBytes));
  }

  /**
   * From the text of a key file: 32 bytes as base64 or hex (`openssl rand -base64 32`), or raw.
   * Undefined when it is none of them.
   */
  static parse(content: Buffer): EncryptionKey | undefined {
    const text = content.toString('latin1').trim();
    if (/^[0-9A-Fa-f]{64}$/.test(text)) return new EncryptionKey(Buffer.from(text, 'hex'));
    if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return new EncryptionKey(Buffer.from(text, 'base64'));
    // Thirty-two readable characters are a password or half a hex key, not 256 random bits.
    if (content.length === keyBytes && !/^[\x20-\x7e\s]*$/.test(text)) return new EncryptionKey(content);
    return undefined;
  }

  /** The content of a key file. */
  toFileContent(): string {
    return `${this.#key.export().toString('base64')}\n`;
  }

  equals(other: EncryptionKey): boolean {
    return timingSafeEqual(this.#key.export(), other.#key.export());
  }

  seal(identity: string, plaintext: string): Buffer {
    const dataKey = randomBytes(keyBytes);
    const wrapped = encrypt(this.#key, dataKey, '');
    const sealed = encrypt(dataKey, Buffer.from(plaintext, 'utf8'), identity);
    return Buffer.concat([
      Buffer.of(format),
      wrapped.nonce,
      wrapped.ciphertext,
      wrapped.tag,
      sealed.nonce,
      sealed.tag,
      sealed.ciphertext,
    ]);
  }

  /** Throws `store.key-wrong` when another key sealed it, `store.corrupt` when it was changed or belongs elsewhere. */
  open(identity: string, blob: Uint8Array): string {
    const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
    if (bytes.length < headBytes || bytes[0] !== format)
      throw new CertplaneError(
        'store.corrupt',
        `The secret of ${identity} does not have the expected form. Restore a backup.`,
      );
    let at = 1;
    const take = (length: number): Buffer => bytes.subarray(at, (at += length));
    const [wrapNonce, wrapped, wrapTag] = [take(nonceBytes), take(keyBytes), take(tagBytes)];
    const [nonce, tag] = [take(nonceBytes), take(tagBytes)];
    const dataKey = decrypt(this.#key, { nonce: wrapNonce, tag: wrapTag, ciphertext: wrapped }, '');
    if (dataKey === undefined)
      throw new CertplaneError(
        'store.key-wrong',
        `The encryption key is not the one that ${identity} was encrypted with.`,
      );
    const plaintext = decrypt(dataKey, { nonce, tag, ciphertext: bytes.subarray(at) }, identity);
    if (plaintext === undefined)
      throw new CertplaneError(
        'store.corrupt',
        `The secret of ${identity} was changed, or moved there. Restore a backup.`,
      );
    return plaintext.toString('utf8');
  }
}

interface Box {
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly ciphertext: Buffer;
}

function encrypt(key: KeyObject | Buffer, plaintext: Buffer, identity: string): Box {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(identity, 'utf8'));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { nonce, tag: cipher.getAuthTag(), ciphertext };
}

/** Undefined when the tag does not fit. */
function decrypt(key: KeyObject | Buffer, box: Box, identity: string): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, box.nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(identity, 'utf8'));
  decipher.setAuthTag(box.tag);
  const start = decipher.update(box.ciphertext);
  try {
    return Buffer.concat([start, decipher.final()]);
  } catch {
    return undefined; // the only thing final() can say
  }
}
