import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { EncryptionKey } from '../../src/store/encryption.ts';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from '../../src/store/sqlite-store.ts';
import { tempDir } from '../support/tempdir.ts';

export interface TemporaryStore extends AsyncDisposable {
  readonly store: SqliteStore;
  readonly dataDir: string;
  readonly key: EncryptionKey;
}

export async function openStore(
  dataDir: string,
  key: EncryptionKey,
  options: Partial<SqliteStoreOptions> = {},
): Promise<SqliteStore> {
  return await openSqliteStore({ dataDir, key, clock: systemClock, log: silentLog, ...options });
}

/** A store in a directory of its own; both go with it. */
export async function temporaryStore(options: Partial<SqliteStoreOptions> = {}): Promise<TemporaryStore> {
  const directory = await tempDir();
  const dataDir = directory.join('data');
  const key = EncryptionKey.generate();
  const store = await openStore(dataDir, key, options);
  return {
    store,
    dataDir,
    key,
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
