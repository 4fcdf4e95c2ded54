import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CertplaneError } from '../../core/errors.ts';
import { makeDirectories } from '../../core/make-directories.ts';

/** 32 bytes in a 0600 file; made where there is none. */
export async function readOrCreateKey(file: string): Promise<KeyObject> {
  try {
    const key = await readFile(file);
    if (key.length === 32) return createSecretKey(key);
    throw new CertplaneError(
      'terminator.cache-unreadable',
      `${file} is no key of 32 bytes. Remove it to start a new copy.`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await makeDirectories(dirname(file), 0o700);
  const key = randomBytes(32);
  const temporary = `${file}.${process.pid}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(key);
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  return createSecretKey(key);
}
