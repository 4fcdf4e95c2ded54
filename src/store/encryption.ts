/** Where the encryption key comes from. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { CertplaneError } from '../core/errors.ts';
import { credentialsVariable, keyCredential, keyFileVariable } from '../core/key-names.ts';
import { databasePath, fileAt, keyPath, preparePrivateDirectory, writePrivateFile } from './data-dir.ts';
import { EncryptionKey } from './encryption-key.ts';
import { storeError } from './sqlite-errors.ts';

export { EncryptionKey } from './encryption-key.ts';

/** A key file is one line; more than this is something else. */
const maxKeyFileBytes = 4096;

/** `generated`: the file in the data directory, which guards copies of the database but not of the directory. */
export type KeyOrigin = 'file' | 'systemd-credential' | 'generated';

export interface LoadedKey {
  readonly key: EncryptionKey;
  readonly origin: KeyOrigin;
  readonly path: string;
}

export interface KeySource {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Make a key where none is configured and there is no database yet. */
  readonly createIfMissing: boolean;
}

/**
 * The key from `CERTPLANE_ENCRYPTION_KEY_FILE`, else from the systemd credential `certplane-encryption-key`, else from
 * `dataDir/encryption.key`, which is made (0600) when it may be.
 *
 * Throws `store.key-missing` (there is none, it is no key, or others may read it) and `store.unavailable`.
 */
export async function loadEncryptionKey({ dataDir, env, createIfMissing }: KeySource): Promise<LoadedKey> {
  const configured = await configuredKey(env);
  if (configured !== undefined) return configured;
  const path = keyPath(dataDir);
  const present = await readKey(path, true);
  if (present !== undefined) return { key: present, origin: 'generated', path };
  try {
    const database = await fileAt(databasePath(dataDir));
    if (database !== undefined && database.size > 0) {
      throw new CertplaneError(
        'store.key-missing',
        `There is a database in ${dataDir}, but its encryption key ${path} is gone. ` +
          `Put the key back, name it in ${keyFileVariable}, or restore a backup with "certplane restore FILE --force".`,
      );
    }
    if (!createIfMissing)
      throw new CertplaneError('store.key-missing', `There is no encryption key in ${dataDir} yet.`);
    await preparePrivateDirectory(dataDir);
    if (!(await writePrivateFile(path, EncryptionKey.generate().toFileContent(), { replace: false })))
      return await loadEncryptionKey({ dataDir, env, createIfMissing: false }); // another start was faster
    const key = await readKey(path, true);
    if (key === undefined) throw new CertplaneError('store.key-missing', `The new encryption key ${path} is gone.`);
    return { key, origin: 'generated', path };
  } catch (error) {
    throw storeError(error, dataDir);
  }
}

/** The key that the environment names, if it names one. */
export async function configuredKey(env: NodeJS.ProcessEnv): Promise<LoadedKey | undefined> {
  const credentials = env[credentialsVariable];
  const file = env[keyFileVariable];
  if (file !== undefined && file !== '') {
    // systemd hands credentials out as 0440 in a directory that only the service may enter.
    const guarded = credentials !== undefined && file.startsWith(`${credentials}/`);
    const key = await readKey(file, !guarded);
    if (key === undefined)
      throw new CertplaneError('store.key-missing', `${keyFileVariable} names ${file}, which does not exist.`);
    return { key, origin: 'file', path: file };
  }
  if (credentials === undefined || credentials === '') return undefined;
  const path = join(credentials, keyCredential);
  const key = await readKey(path, false);
  return key === undefined ? undefined : { key, origin: 'systemd-credential', path };
}

async function readKey(path: string, mustBePrivate: boolean): Promise<EncryptionKey | undefined> {
  let content: Buffer;
  let mode: number;
  try {
    const found = await fileAt(path);
    if (found === undefined) return undefined;
    mode = found.mode;
    await using handle = await open(path, 'r');
    const buffer = Buffer.alloc(maxKeyFileBytes + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    content = buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new CertplaneError('store.key-missing', `The encryption key ${path} cannot be read.`, { cause: error });
  }
  if (mustBePrivate && (mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    throw new CertplaneError(
      'store.key-missing',
      `The encryption key ${path} has mode ${shown}, so that others may read it. Close it with: chmod 600 ${path}`,
    );
  }
  const key = EncryptionKey.parse(content);
  if (key === undefined)
    throw new CertplaneError(
      'store.key-missing',
      `${path} does not hold an encryption key: 32 bytes as base64 or hex, as "openssl rand -base64 32" prints them.`,
    );
  return key;
}
