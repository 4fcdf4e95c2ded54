/** Directories and files that only their owner may read, and writes that survive a power cut. */
import { randomBytes } from 'node:crypto';
import { chmod, link, open, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectories } from '../core/make-directories.ts';

const databaseName = 'certplane.db';
const keyName = 'encryption.key';

/**
 * Makes the directory (0700), or closes one of ours that others may enter. A volume that belongs to somebody else and
 * was handed to us by group stays as it is; what we put into it is 0600.
 */
export async function preparePrivateDirectory(directory: string): Promise<void> {
  await makeDirectories(directory, 0o700);
  const { mode, uid } = await stat(directory);
  if ((mode & 0o077) !== 0 && (uid === process.geteuid?.() || process.geteuid?.() === 0)) await chmod(directory, 0o700);
}

/**
 * Makes the file (0600) where there is none, or closes one that others may read. Never opens a file that is there:
 * closing any descriptor of a file drops the POSIX locks that SQLite holds on it in this process.
 */
export async function preparePrivateFile(path: string): Promise<void> {
  const found = await fileAt(path);
  if (found === undefined) await writeFile(path, '', { mode: 0o600, flag: 'wx' });
  else if ((found.mode & 0o077) !== 0) await chmod(path, 0o600);
}

/** Undefined when there is nothing at that path. */
export async function fileAt(path: string): Promise<{ size: number; mode: number } | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A name beside `path` for something unfinished. */
export function besides(path: string): string {
  return `${path}.partial-${randomBytes(6).toString('hex')}`;
}

/** Makes the file (0600) whole and durable by one rename. False when there is one already and it is not to be replaced. */
export async function writePrivateFile(
  path: string,
  content: string,
  { replace }: { replace: boolean },
): Promise<boolean> {
  const partial = besides(path);
  try {
    await writeFile(partial, content, { mode: 0o600, flag: 'wx', flush: true });
    if (replace) await rename(partial, path);
    else await link(partial, path);
  } catch (error) {
    if (!replace && (error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await removeIfThere(partial);
  }
  await syncPath(dirname(path));
  return true;
}

export async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

export function databasePath(dataDir: string): string {
  return join(dataDir, databaseName);
}

export function keyPath(dataDir: string): string {
  return join(dataDir, keyName);
}
