/** Records: one row each, the value as JSON and the sealed secret beside it. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import type { Expectation } from '../core/ports/certificate-store.ts';
import type { RecordKind } from '../core/records.ts';

export interface Row {
  readonly key: string;
  readonly revision: string;
  readonly value: string;
}

export interface RowChange {
  readonly key: string;
  readonly value: string;
  /** Null: what is there stays. */
  readonly secret: Buffer | null;
  readonly expect: Expectation;
}

export class RecordTable {
  readonly #find: StatementSync;
  readonly #secret: StatementSync;
  readonly #list: StatementSync;
  readonly #revision: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#find = database.prepare('SELECT key, revision, value FROM record WHERE kind = ? AND key = ?');
    this.#secret = database.prepare('SELECT secret FROM record WHERE kind = ? AND key = ?');
    this.#list = database.prepare(
      'SELECT key, revision, value FROM record WHERE kind = ? AND key > ? AND key >= ? ORDER BY key LIMIT ?',
    );
    this.#revision = database.prepare('SELECT revision FROM record WHERE kind = ? AND key = ?');
    this.#put = database.prepare(
      `INSERT INTO record (kind, key, revision, value, secret) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (kind, key) DO UPDATE
       SET revision = excluded.revision, value = excluded.value, secret = coalesce(excluded.secret, secret)`,
    );
    this.#delete = database.prepare('DELETE FROM record WHERE kind = ? AND key = ?');
  }

  find(kind: RecordKind, key: string): Row | undefined {
    return this.#find.get(kind, key) as unknown as Row | undefined;
  }

  /** Undefined: no such record. Null: it has no secret. */
  secret(kind: RecordKind, key: string): Uint8Array | null | undefined {
    return this.#secret.get(kind, key)?.['secret'] as Uint8Array | null | undefined;
  }

  /** Rows in order of key whose key starts with `prefix` and comes after `after`; `limit` at most. */
  list(kind: RecordKind, range: { prefix: string; after: string; limit: number }): Row[] {
    const rows: Row[] = [];
    for (const row of this.#list.iterate(kind, range.after, range.prefix, range.limit)) {
      const found = row as unknown as Row;
      if (!found.key.startsWith(range.prefix)) break;
      rows.push(found);
    }
    return rows;
  }

  /** Inside a transaction. Gives the new revision; throws `store.conflict`. */
  put(kind: RecordKind, change: RowChange): string {
    this.#check(kind, change.key, change.expect);
    // Random, so that a revision never comes back: not after a delete, not after a restore.
    const revision = randomBytes(9).toString('base64url');
    this.#put.run(kind, change.key, revision, change.value, change.secret);
    return revision;
  }

  /** Inside a transaction. Throws `store.conflict`, and `store.not-found` for `any`. */
  delete(kind: RecordKind, key: string, expect: Expectation): void {
    this.#check(kind, key, expect);
    if (this.#delete.run(kind, key).changes === 0) throw notFound(kind, key);
  }

  #check(kind: RecordKind, key: string, expect: Expectation): void {
    if (expect === 'any') return;
    const present = this.#revision.get(kind, key)?.['revision'];
    if (expect === 'absent' ? present !== undefined : present !== expect.revision)
      throw new CertplaneError('store.conflict', `The ${kind} record "${key}" changed since it was read.`);
  }
}

export function notFound(kind: RecordKind, key: string): CertplaneError {
  return new CertplaneError('store.not-found', `There is no ${kind} record "${key}".`);
}
