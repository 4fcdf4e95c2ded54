/** The shape of the database, and how an older one is brought up to it. */
import type { DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';

/** `PRAGMA application_id`: "CPLN". Tells our database from anybody else's. */
export const applicationId = 0x43_50_4c_4e;

/** Step n takes the schema from version n-1 to n (`PRAGMA user_version`). Steps are only ever added. */
const migrations: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE record (
     kind TEXT NOT NULL,
     key TEXT NOT NULL,
     revision TEXT NOT NULL,
     value TEXT NOT NULL, -- JSON
     secret BLOB,         -- sealed, see encryption-key.ts
     UNIQUE (kind, key)
   ) STRICT;
   CREATE TABLE history (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     kind TEXT NOT NULL,
     certificate TEXT,
     value TEXT NOT NULL -- JSON
   ) STRICT;
   CREATE INDEX history_certificate ON history (certificate, id) WHERE certificate IS NOT NULL;`,
];

export const schemaVersion = migrations.length;

/** Number of a pragma that has one. */
export function pragmaNumber(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** Refuses what a newer Certplane wrote (`store.too-new`). */
export function checkSchemaVersion(database: DatabaseSync, path: string): number {
  const version = pragmaNumber(database, 'user_version');
  if (version > schemaVersion) {
    throw new CertplaneError(
      'store.too-new',
      `${path} has schema ${version}; this Certplane knows schemas up to ${schemaVersion}. Use the newer Certplane again.`,
    );
  }
  return version;
}

/** Brings the schema up to date, each step whole or not at all. Resolves the number of steps taken. */
export function migrate(database: DatabaseSync): number {
  const from = pragmaNumber(database, 'user_version');
  for (const [index, step] of migrations.entries()) {
    if (index < from) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(step);
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}`);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
  return schemaVersion - Math.min(from, schemaVersion);
}
