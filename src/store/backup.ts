/** `certplane backup`: database and key in one file, taken while the control plane runs. */
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemClock } from '../core/system-clock.ts';
import { writeBackupFile } from './backup-file.ts';
import { besides, fileAt, preparePrivateFile, removeIfThere, syncPath } from './data-dir.ts';
import type { EncryptionKey } from './encryption-key.ts';
import { storeError } from './sqlite-errors.ts';
import type { SqliteStore } from './sqlite-store.ts';

export { restoreBackup, type Restored, type RestoreOptions } from './restore.ts';

/**
 * Writes a copy of the database and its key to `file` (0600), which appears whole by one rename or not at all; one
 * that is there is replaced. Needs twice the size of the database beside `file` for a moment.
 *
 * Throws `store.unavailable`. Cancellation leaves `file` as it was.
 */
export async function backupStore(
  store: SqliteStore,
  key: EncryptionKey,
  file: string,
  signal: AbortSignal,
): Promise<void> {
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
    throw storeError(error, file);
  } finally {
    await removeIfThere(copy);
    await removeIfThere(partial);
  }
}
