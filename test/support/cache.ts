import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Where tools that the machine lacks are kept, outside the repository:
 *   apt/PACKAGE/   unpacked Debian packages, one tree per tool, complete once `.complete` exists
 *   npm/PACKAGE/   unpacked npm packages that carry a program
 *   kube/VERSION/  kube-apiserver and etcd, built from their Go modules
 *   compiled/      Node's compile cache of our own modules
 *   h2spec/        the conformance tests of HTTP/2, built from their Go module
 */
export function cacheDir(...parts: string[]): string {
  const base =
    process.env['CERTPLANE_TEST_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'certplane-test');
  return join(base, ...parts);
}

/**
 * One process at a time. The lock is an open SQLite transaction, so that the kernel releases it however its holder ends.
 */
export async function withCacheLock<T>(name: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const path = cacheDir('locks', `${name}.lock`);
  mkdirSync(dirname(path), { recursive: true });
  using database = new DatabaseSync(path);
  let waited = false;
  while (!tryLock(database)) {
    if (!waited) onWait();
    waited = true;
    await delay(200);
  }
  return await work();
}

function tryLock(database: DatabaseSync): boolean {
  try {
    database.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked')) return false;
    throw error;
  }
}
