/** One control plane per data directory. The kernel drops the lock with its process, however that ends. */
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import { makeDirectoriesSync } from '../core/make-directories.ts';
import { storeError } from './sqlite-errors.ts';

const lockName = 'writer.lock.db';
/** A file of its own: nobody can read a locked SQLite file, and opening it would drop our own lock. */
const pidName = 'writer.pid';

export interface WriterLock extends Disposable {
  readonly dataDir: string;
}

/** Throws `store.locked` while another control plane (or a restore) has it, and `store.unavailable`. */
export function acquireWriterLock(dataDir: string): WriterLock {
  const path = join(dataDir, lockName);
  const pidPath = join(dataDir, pidName);
  let database: DatabaseSync | undefined;
  try {
    makeDirectoriesSync(dataDir, 0o700);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) writeFileSync(path, '', { mode: 0o600, flag: 'a' });
    else if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600);
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
    writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    database?.close();
    if (isBusy(error)) {
      const pid = holder(pidPath);
      throw new CertplaneError(
        'store.locked',
        `Another control plane${pid === undefined ? '' : ` (process ${pid})`} is using ${dataDir}. ` +
          'Stop it first, or use another data directory.',
        { cause: error },
      );
    }
    throw storeError(error, path);
  }
  const held = database;
  return {
    dataDir,
    [Symbol.dispose]: () => {
      if (!held.isOpen) return;
      rmSync(pidPath, { force: true });
      held.close();
    },
  };
}

/** Who holds the lock of a data directory, if somebody does. Changes nothing. Throws `store.unavailable`. */
export function lockHolder(dataDir: string): { readonly pid: number | undefined } | undefined {
  const path = join(dataDir, lockName);
  try {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    using database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    return undefined;
  } catch (error) {
    if (isBusy(error)) return { pid: holder(join(dataDir, pidName)) };
    throw storeError(error, path);
  }
}

function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode !== undefined && (errcode & 0xff) === 5;
}

function holder(pidPath: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidPath, 'utf8').slice(0, 20));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // it has the lock and has not written its number yet
  }
}
