/** Roots of private CAs as files that clients can be pointed at: `dataDir/ca/<issuer>.pem`. */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { rootFile } from '../config/root-file.ts';
import { makeDirectories } from '../core/make-directories.ts';
import type { CaIssuer } from '../issue/ca-issuer.ts';
import { storeError } from '../store/sqlite-errors.ts';

/**
 * Writes it unless it is there already, and whole or not at all: a client may read it meanwhile. Resolves its path.
 * Throws `store.unavailable`.
 */
export async function writeRoot(dataDir: string, authority: CaIssuer, signal: AbortSignal): Promise<string> {
  const file = rootFile(dataDir, authority.name);
  const pem = await authority.rootPem(signal);
  if ((await present(file)) === pem) return file;
  try {
    await write(file, pem);
  } catch (error) {
    throw storeError(error, file);
  }
  return file;
}

async function write(file: string, pem: string): Promise<void> {
  await makeDirectories(dirname(file), 0o700);
  const next = `${file}.next`;
  await rm(next, { force: true });
  const handle = await open(next, 'wx', 0o644);
  try {
    await handle.writeFile(pem);
    await handle.chmod(0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, file);
}

async function present(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return undefined; // missing or unreadable: it is written anew, which says what is wrong
  }
}
