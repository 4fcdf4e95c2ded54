/**
 * The backup file, one file with database and key:
 *
 *   certplane-backup/1\n
 *   {"createdAt":…,"databaseBytes":…,"encryptionKey":"…"}\n      one line of JSON
 *   <the SQLite database, databaseBytes long>
 *   <SHA-256 of everything before, 64 hex digits>\n
 *
 * The digest at the end tells a whole file from one that was cut short or damaged on its way.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { CertplaneError } from '../core/errors.ts';
import { EncryptionKey } from './encryption-key.ts';

const magic = 'certplane-backup/1\n';
const maxHeadBytes = 1024;
const digestBytes = 65;

interface Head {
  readonly createdAt: number;
  readonly databaseBytes: number;
  /** As in a key file. */
  readonly encryptionKey: string;
}

export interface BackupContent {
  readonly createdAt: number;
  readonly key: EncryptionKey;
}

export interface BackupParts {
  /** File with a copy of the database. */
  readonly database: string;
  readonly databaseBytes: number;
  readonly key: EncryptionKey;
  readonly createdAt: number;
}

/** Writes `file` (new, 0600) and makes it durable. */
export async function writeBackupFile(file: string, parts: BackupParts, signal: AbortSignal): Promise<void> {
  await using target = await open(file, 'wx', 0o600);
  const hash = createHash('sha256');
  const head: Head = {
    createdAt: parts.createdAt,
    databaseBytes: parts.databaseBytes,
    encryptionKey: parts.key.toFileContent().trim(),
  };
  await append(target, hash, Buffer.from(`${magic}${JSON.stringify(head)}\n`));
  for await (const chunk of createReadStream(parts.database, { signal })) await append(target, hash, chunk as Buffer);
  await target.write(`${hash.digest('hex')}\n`);
  await target.sync();
}

/**
 * Takes the database out of `file` into `database` (new, 0600).
 * Throws `store.backup-invalid` for anything that is not a whole backup; `database` may be left half-written then.
 */
export async function readBackupFile(file: string, database: string, signal: AbortSignal): Promise<BackupContent> {
  await using source = await openBackup(file);
  const { size } = await source.stat();
  const start = await readAt(source, 0, Math.min(size, maxHeadBytes));
  const head = parseHead(start, file);
  const headBytes = start.indexOf(0x0a, magic.length) + 1;
  if (size !== headBytes + head.databaseBytes + digestBytes)
    throw invalid(file, 'it is incomplete or has been changed');
  const key = EncryptionKey.parse(Buffer.from(head.encryptionKey, 'latin1'));
  if (key === undefined) throw invalid(file, 'its encryption key is unreadable');
  const hash = createHash('sha256').update(start.subarray(0, headBytes));
  await using target = await open(database, 'wx', 0o600);
  const end = headBytes + head.databaseBytes - 1;
  if (head.databaseBytes > 0) {
    const stream = source.createReadStream({ start: headBytes, end, autoClose: false, signal });
    for await (const chunk of stream) await append(target, hash, chunk as Buffer);
  }
  const digest = await readAt(source, end + 1, digestBytes);
  if (digest.toString('latin1') !== `${hash.digest('hex')}\n`)
    throw invalid(file, 'it is damaged (its digest is wrong)');
  await target.sync();
  return { createdAt: head.createdAt, key };
}

export function invalid(file: string, why: string, cause?: unknown): CertplaneError {
  return new CertplaneError('store.backup-invalid', `${file} cannot be restored: ${why}.`, { cause });
}

async function openBackup(file: string): Promise<FileHandle> {
  try {
    const handle = await open(file, 'r');
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    throw invalid(file, 'it cannot be read', cause);
  }
  throw invalid(file, 'it is not a regular file');
}

function parseHead(start: Buffer, file: string): Head {
  const text = start.toString('latin1');
  const end = text.indexOf('\n', magic.length);
  if (!text.startsWith(magic) || end < 0) throw invalid(file, 'it is not a Certplane backup');
  let head: Partial<Record<keyof Head, unknown>> | null;
  try {
    head = JSON.parse(text.slice(magic.length, end)) as typeof head;
  } catch (cause) {
    throw invalid(file, 'its head is unreadable', cause);
  }
  const { createdAt, databaseBytes, encryptionKey } = head ?? {};
  if (
    typeof createdAt !== 'number' ||
    typeof encryptionKey !== 'string' ||
    typeof databaseBytes !== 'number' ||
    !Number.isSafeInteger(databaseBytes) ||
    databaseBytes < 0
  )
    throw invalid(file, 'its head is incomplete');
  return { createdAt, databaseBytes, encryptionKey };
}

async function append(target: FileHandle, hash: Hash, chunk: Buffer): Promise<void> {
  hash.update(chunk);
  let done = 0;
  while (done < chunk.length) done += (await target.write(chunk, done)).bytesWritten;
}

async function readAt(source: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await source.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
