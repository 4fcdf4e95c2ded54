/** History: append-only, numbered, bounded. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { HistoryQuery } from '../core/ports/certificate-store.ts';
import type { HistoryEntry } from '../core/records.ts';

const maxHistoryPage = 1_000;

export class HistoryTable {
  readonly #insert: StatementSync;
  readonly #all: StatementSync;
  readonly #ofCertificate: StatementSync;
  readonly #trim: StatementSync;
  readonly #count: StatementSync;
  readonly #limit: number;
  readonly #trimBatch: number;
  #rows: number | undefined;

  constructor(database: DatabaseSync, limit: number) {
    const page = `AND (?3 IS NULL OR kind IN (SELECT value FROM json_each(?3))) ORDER BY id DESC LIMIT ?2`;
    this.#insert = database.prepare('INSERT INTO history (kind, certificate, value) VALUES (?, ?, ?)');
    this.#all = database.prepare(`SELECT id, value FROM history WHERE id < ?1 ${page}`);
    this.#ofCertificate = database.prepare(`SELECT id, value FROM history WHERE id < ?1 AND certificate = ?4 ${page}`);
    this.#count = database.prepare('SELECT count(*) AS n FROM history');
    this.#trim = database.prepare('DELETE FROM history WHERE id IN (SELECT id FROM history ORDER BY id LIMIT ?)');
    this.#limit = limit;
    this.#trimBatch = Math.max(1, Math.floor(limit / 100));
  }

  /** Inside a transaction. */
  append(entry: Omit<HistoryEntry, 'id'>): HistoryEntry {
    // Counted again at every trim, so that a batch that was taken back cannot let it drift for long.
    this.#rows ??= Number(this.#count.get()?.['n']);
    if (this.#rows >= this.#limit) {
      this.#trim.run(this.#rows - this.#limit + this.#trimBatch);
      this.#rows = Number(this.#count.get()?.['n']);
    }
    const { lastInsertRowid } = this.#insert.run(entry.kind, entry.certificateId ?? null, JSON.stringify(entry));
    this.#rows += 1;
    return { ...entry, id: Number(lastInsertRowid) };
  }

  /** A batch was taken back: count again before the next entry. */
  forgetCount(): void {
    this.#rows = undefined;
  }

  query({ certificateId, kinds, before, limit }: HistoryQuery): HistoryEntry[] {
    const page = [
      before ?? Number.MAX_SAFE_INTEGER,
      Math.min(Math.max(0, Math.floor(limit)), maxHistoryPage),
      kinds === undefined ? null : JSON.stringify(kinds),
    ] as const;
    const rows = certificateId === undefined ? this.#all.all(...page) : this.#ofCertificate.all(...page, certificateId);
    return rows.map((row) =>
      Object.assign(JSON.parse(row['value'] as string) as Omit<HistoryEntry, 'id'>, { id: Number(row['id']) }),
    );
  }
}
