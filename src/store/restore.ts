/** `certplane restore`: a backup becomes the data directory's database; what was there is kept aside. */
import { link, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import { keyFileVariable } from '../core/key-names.ts';
import { systemClock } from '../core/system-clock.ts';
import { invalid, readBackupFile } from './backup-file.ts';
import {
  besides,
  databasePath,
  fileAt,
  keyPath,
  preparePrivateDirectory,
  removeIfThere,
  syncPath,
  writePrivateFile,
} from './data-dir.ts';
import { configuredKey } from './encryption.ts';
import type { EncryptionKey } from './encryption-key.ts';
import { acquireWriterLock } from './lock.ts';
import { inspectDatabase } from './open-database.ts';
import { storeError } from './sqlite-errors.ts';

const incomingName = 'restore';

export interface RestoreOptions {
  readonly file: string;
  readonly dataDir: string;
  /** Replace a database that is there; the old one is moved aside. */
  readonly force?: boolean;
  /** Where a configured encryption key is named. With the same key as the backup's, none is written to `dataDir`. */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

export interface Restored {
  /** When the backup was taken, milliseconds since the epoch. */
  readonly createdAt: number;
  /** Where the key is now. */
  readonly keyPath: string;
  /** Directory that holds what was there before, if there was anything. */
  readonly movedTo: string | undefined;
}

/**
 * Puts the backup in place. Nothing is issued again because of it: terminators are given a new feed epoch, so that
 * they take a whole snapshot, and everything else goes on from where the backup was taken.
 *
 * Throws `store.backup-invalid`, `store.too-new`, `store.exists` (there is a database and no `force`), `store.locked`
 * (a control plane runs), `store.key-wrong` (another key is configured) and `store.unavailable`. The data directory is
 * as it was then. A crash leaves the old database or the new one in place; run it again.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, dataDir, force = false, env = {}, signal = new AbortController().signal } = options;
  const database = databasePath(dataDir);
  const incoming = besides(join(dataDir, incomingName));
  try {
    await preparePrivateDirectory(dataDir);
    using _lock = acquireWriterLock(dataDir);
    await removeLeftovers(dataDir);
    if (!force && ((await fileAt(database))?.size ?? 0) > 0) {
      throw new CertplaneError(
        'store.exists',
        `${dataDir} already has a database. With --force it is moved aside and the backup takes its place.`,
      );
    }
    try {
      const content = await readBackupFile(file, incoming, signal);
      judge(incoming, content.key, file);
      const configured = await configuredKey(env);
      if (configured !== undefined && !configured.key.equals(content.key)) {
        throw new CertplaneError(
          'store.key-wrong',
          `The key in ${configured.path} is not the backup's. Restore without ${keyFileVariable} and without the ` +
            'credential; the key is then written to the data directory, from where you can move it.',
        );
      }
      startFeedOver(incoming);
      await syncPath(incoming);
      signal.throwIfAborted();
      const movedTo = await keepAside(dataDir, content.key);
      if (configured === undefined)
        await writePrivateFile(keyPath(dataDir), content.key.toFileContent(), { replace: true });
      await rename(incoming, database);
      await syncPath(dataDir);
      return { createdAt: content.createdAt, keyPath: configured?.path ?? keyPath(dataDir), movedTo };
    } finally {
      for (const suffix of ['', '-wal', '-shm', '-journal']) await removeIfThere(incoming + suffix);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw storeError(error, dataDir);
  }
}

/** The digest was right, so this catches what was never a good backup, or one of a newer Certplane. */
function judge(database: string, key: EncryptionKey, file: string): void {
  try {
    if (inspectDatabase(database, key) > 0) return;
  } catch (error) {
    if (error instanceof CertplaneError && error.code === 'store.too-new') throw error;
    throw invalid(file, 'the database in it is damaged or does not belong to its key', error);
  }
  throw invalid(file, 'the database in it is empty');
}

/** Sequence numbers given out after the backup was taken would come again; a new epoch makes them different ones. */
function startFeedOver(path: string): void {
  using database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = DELETE;
    PRAGMA synchronous = FULL;
    DELETE FROM record WHERE kind = 'setting' AND key = 'feed-epoch'`);
}

/**
 * Keeps the present database (by a second name, so that there is one in place at every moment) and its key. The log
 * goes last: beside the new database it would be replayed into it.
 */
async function keepAside(dataDir: string, key: EncryptionKey): Promise<string | undefined> {
  const database = databasePath(dataDir);
  const logs = [`${database}-wal`, `${database}-shm`];
  const present = await filesThere([database, ...logs, keyPath(dataDir)]);
  if (present.length === 0 || (present.length === 1 && (await holdsKey(keyPath(dataDir), key)))) return undefined;
  const stamp = new Date(systemClock.now()).toISOString().replaceAll(/[:.]/g, '-');
  const aside = join(dataDir, `before-restore-${stamp}`);
  await mkdir(aside, { mode: 0o700 });
  for (const path of present) await link(path, join(aside, basename(path)));
  await syncPath(aside);
  await syncPath(dataDir);
  for (const path of logs) await removeIfThere(path);
  return aside;
}

/** Whether the one file is the key file, as we write it. */
async function holdsKey(path: string, key: EncryptionKey): Promise<boolean> {
  return (await fileAt(path)) !== undefined && (await readFile(path, 'latin1')) === key.toFileContent();
}

/** What a restore that was killed left half-written. */
async function removeLeftovers(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir))
    if (name.startsWith(`${incomingName}.partial-`)) await removeIfThere(join(dataDir, name));
}

async function filesThere(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) if ((await fileAt(path)) !== undefined) found.push(path);
  return found;
}
