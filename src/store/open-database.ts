/** Opening the database: what is there is judged through a read-only connection before anything may be written. */
import { DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import type { EncryptionKey } from './encryption-key.ts';
import { applicationId, checkSchemaVersion, migrate, pragmaNumber, schemaVersion } from './schema.ts';
import { corrupt } from './sqlite-errors.ts';

const busyTimeoutMs = 5_000;
const keyCheckIdentity = 'meta/key-check';
const keyCheckText = 'certplane';

/**
 * Gives the schema version, 0 for an empty database. Throws `store.corrupt`, `store.too-new`, `store.key-wrong`; what is there is untouched then. Closing a writable
 * connection would fold the write-ahead log into a damaged file, so this one cannot write.
 */
export function inspectDatabase(path: string, key: EncryptionKey): number {
  using database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  const version = checkSchemaVersion(database, path);
  const application = pragmaNumber(database, 'application_id');
  if (application !== applicationId && (version !== 0 || application !== 0 || tableCount(database) > 0))
    throw corrupt(path, 'The file is not a Certplane database.');
  const verdict = Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
  if (verdict !== 'ok') throw corrupt(path, 'The database is damaged.');
  if (version > 0) checkKey(database, path, key);
  return version;
}

/** A connection whose commits are on the disk when they return. */
export function openWritable(path: string, key: EncryptionKey): { database: DatabaseSync; migrated: number } {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs, defensive: true });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA trusted_schema = OFF`);
    const migrated = migrate(database);
    database
      .prepare(`INSERT INTO meta (name, value) VALUES ('key-check', ?) ON CONFLICT (name) DO NOTHING`)
      .run(key.seal(keyCheckIdentity, keyCheckText));
    return { database, migrated };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** For looking only; writing through it is `store.unavailable`. */
export function openReadOnly(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
  try {
    if (pragmaNumber(database, 'user_version') < schemaVersion)
      throw new CertplaneError(
        'store.unavailable',
        `${path} is of an older schema. Start the control plane once first.`,
      );
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function checkKey(database: DatabaseSync, path: string, key: EncryptionKey): void {
  const row = database.prepare(`SELECT value FROM meta WHERE name = 'key-check'`).get();
  // Without the row the very first start was cut short, and nothing can have been sealed yet.
  const sealed = row?.['value'];
  if (sealed === undefined) return;
  try {
    key.open(keyCheckIdentity, sealed as Uint8Array);
  } catch (cause) {
    if (!(cause instanceof CertplaneError && cause.code === 'store.key-wrong')) throw cause;
    throw new CertplaneError(
      'store.key-wrong',
      `The encryption key is not the one ${path} was written with. Put the right key back, or restore a backup ` +
        '(it carries its key).',
      { cause },
    );
  }
}

function tableCount(database: DatabaseSync): number {
  return Number(database.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']);
}
