/** Group commit: writes asked for in the same turn share one transaction and one fsync. */
import type { DatabaseSync } from 'node:sqlite';
import { CertplaneError } from '../core/errors.ts';
import { storeError } from './sqlite-errors.ts';

/** A turn of the event loop writes no more than this, so that timers and sockets get theirs. */
const batchLimit = 500;

interface Write {
  run(): unknown;
  readonly signal: AbortSignal | undefined;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export class WriteQueue {
  readonly #database: DatabaseSync;
  readonly #path: string;
  #waiting: Write[] = [];
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
  }

  /**
   * Resolves when what `operation` wrote is durable. An operation that throws a `CertplaneError` must have written
   * nothing; any other error takes the whole batch back.
   */
  async run<T>(operation: () => T, signal?: AbortSignal): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: operation, signal, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves once nothing waits. */
  async drained(): Promise<void> {
    if (this.#waiting.length > 0) await new Promise<void>((resolve) => void this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
      if (this.#waiting.length > 0) this.#schedule();
      else for (const wake of this.#idle.splice(0)) wake();
    });
  }

  #flush(): void {
    const batch = this.#waiting.splice(0, batchLimit);
    const answers: (() => void)[] = [];
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const write of batch) answers.push(runOne(write));
      this.#database.exec('COMMIT');
    } catch (error) {
      const failure = this.#rollBack(error);
      for (const write of batch) write.reject(failure);
      return;
    }
    for (const answer of answers) answer();
  }

  #rollBack(error: unknown): CertplaneError {
    const failure = storeError(error, this.#path);
    try {
      // SQLite has taken the transaction back itself after the worst errors.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      return failure;
    } catch (again) {
      return new CertplaneError(failure.code, failure.message, { cause: new AggregateError([error, again]) });
    }
  }
}

function runOne(write: Write): () => void {
  if (write.signal?.aborted === true) return () => write.reject(write.signal?.reason);
  try {
    const value = write.run();
    return () => write.resolve(value);
  } catch (error) {
    if (!(error instanceof CertplaneError)) throw error;
    return () => write.reject(error);
  }
}
