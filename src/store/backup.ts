/** `certplane backup`: database and key in one file, taken while the control plane runs. */
import { rename, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { CertplaneError } from '../core/errors.ts';
import { systemClock } from '../core/system-clock.ts';
import { writeBackupFile } from './backup-file.ts';
import { besides, fileAt, preparePrivateFile, removeIfThere, syncPath } from './data-dir.ts';
import type { EncryptionKey } from './encryption-key.ts';
import { storeError } from './sqlite-errors.ts';
import type { SqliteStore } from './sqlite-store.ts';

export { restoreBackup } from './restore.ts';

const ownNames = /^(?:certplane\.db|encryption\.key$|writer\.)/;

/**
 * Writes a copy of the database and its key to `file` (0600), which appears whole by one rename or not at all; one
 * that is there is replaced. Needs twice the size of the database beside `file` for a moment.
 *
 * Throws `store.unavailable`, and `store.exists` for a name that the control plane itself uses. Cancellation leaves `file` as it was.
 */
export async function backupStore(
  store: SqliteStore,
  key: EncryptionKey,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  if (dirname(resolve(file)) === dirname(resolve(store.path)) && ownNames.test(basename(file)))
    throw new CertplaneError('store.exists', `${file} is a file of the control plane itself. Choose another name.`);
  await assertDirectory(dirname(resolve(file)));
  const copy = besides(file);
  const partial = besides(file);
  try {
    await preparePrivateFile(copy);
    await store.copyTo(copy, signal);
    const databaseBytes = (await fileAt(copy))?.size ?? 0;
    await writeBackupFile(partial, { database: copy, databaseBytes, key, createdAt: systemClock.now() }, signal);
    signal.throwIfAborted();
    await rename(partial, file);
    await syncPath(dirname(file));
  } catch (error) {
    signal.throwIfAborted();
    throw namedAfter(file, [copy, partial], storeError(error, file));
  } finally {
    await removeIfThere(copy);
    await removeIfThere(partial);
  }
}

async function assertDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new CertplaneError('store.unavailable', `There is no directory ${path}. Make it, or choose another place.`);
}

/** Without the names of unfinished files, which mean nothing to whoever asked. */
function namedAfter(file: string, unfinished: readonly string[], { code, message, cause }: CertplaneError): Error {
  const told = unfinished.reduce((text, name) => text.replaceAll(name, file), message);
  return new CertplaneError(code, told, { cause });
}
