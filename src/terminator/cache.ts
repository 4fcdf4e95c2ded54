/** Encrypted last-good copy of what a terminator serves, so that it can start and serve without control. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Bundle } from '../core/bundle.ts';
import { CertplaneError } from '../core/errors.ts';
import { feedKey, type Revision } from '../core/feed.ts';
import type { CachedItem, CachedState, LastGoodCache } from './intake/last-good.ts';

export type { CachedItem, LastGoodCache };

interface Stored extends CachedItem {
  readonly bundle?: Bundle | undefined;
}

type Content =
  | { readonly kind: 'item'; readonly stored: Stored }
  | { readonly kind: 'revision'; source: string; revision: Revision };

const parallelReads = 16;

export function createLastGoodCache(options: { directory: string; keyFile: string }): LastGoodCache {
  return new FileCache(options.directory, options.keyFile);
}

class FileCache implements LastGoodCache {
  readonly #directory: string;
  readonly #keyFile: string;
  #key: Promise<Buffer> | undefined;

  constructor(directory: string, keyFile: string) {
    this.#directory = directory;
    this.#keyFile = keyFile;
  }

  async load(): Promise<CachedState> {
    const items: CachedItem[] = [];
    const revisions = new Map<string, Revision>();
    let unreadable = 0;
    let names: string[];
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const found = await readdir(this.#directory);
      names = found.filter((name) => /^[0-9a-f]{40}$/.test(name));
      for (const left of found) if (left.endsWith('.new')) await rm(join(this.#directory, left), { force: true });
      await this.#readKey();
    } catch (cause) {
      throw cacheError('terminator.cache-unreadable', 'The last-good copy cannot be opened', cause);
    }
    let next = 0;
    const reader = async (): Promise<void> => {
      for (let name = names[next++]; name !== undefined; name = names[next++]) {
        try {
          const content = await this.#read(name);
          if (content.kind === 'revision') revisions.set(content.source, content.revision);
          else items.push({ source: content.stored.source, item: content.stored.item, entry: content.stored.entry });
        } catch (error) {
          unreadable += 1; // counted and reported; the source is read from its beginning then
          if ((error as NodeJS.ErrnoException).syscall === undefined)
            await rm(join(this.#directory, name), { force: true });
        }
      }
    };
    await Promise.all(Array.from({ length: parallelReads }, reader));
    if (unreadable > 0) revisions.clear();
    return { items, revisions, unreadable };
  }

  async put(cached: CachedItem, bundle?: Bundle): Promise<void> {
    const content: Content = { kind: 'item', stored: { ...cached, bundle } };
    await this.#write(fileName('item', cached.source, feedKey(cached.item)), content);
  }

  async remove(source: string, key: string): Promise<void> {
    try {
      await rm(join(this.#directory, fileName('item', source, key)), { force: true });
    } catch (cause) {
      throw cacheError('terminator.cache-unwritable', 'The last-good copy cannot be written', cause);
    }
  }

  async putRevision(source: string, revision: Revision): Promise<void> {
    await this.#write(fileName('revision', source, ''), { kind: 'revision', source, revision });
  }

  async bundle(source: string, key: string): Promise<Bundle> {
    try {
      const content = await this.#read(fileName('item', source, key));
      if (content.kind === 'item' && content.stored.bundle !== undefined) return content.stored.bundle;
    } catch (cause) {
      throw cacheError('terminator.cache-unreadable', `The last-good copy of ${key} cannot be read`, cause);
    }
    throw new CertplaneError('terminator.cache-unreadable', `The last-good copy of ${key} has no key material.`);
  }

  async #read(name: string): Promise<Content> {
    const data = await readFile(join(this.#directory, name));
    const decipher = createDecipheriv('aes-256-gcm', await this.#readKey(), data.subarray(0, 12));
    decipher.setAAD(Buffer.from(name)); // a file under another's name is no copy of anything
    decipher.setAuthTag(data.subarray(12, 28));
    return JSON.parse(
      Buffer.concat([decipher.update(data.subarray(28)), decipher.final()]).toString('utf8'),
    ) as Content;
  }

  async #write(name: string, content: Content): Promise<void> {
    try {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', await this.#readKey(), iv);
      cipher.setAAD(Buffer.from(name));
      const body = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]);
      await writeAtomically(join(this.#directory, name), Buffer.concat([iv, cipher.getAuthTag(), body]));
    } catch (cause) {
      throw cacheError('terminator.cache-unwritable', 'The last-good copy cannot be written', cause);
    }
  }

  async #readKey(): Promise<Buffer> {
    this.#key ??= readOrCreateKey(this.#keyFile);
    try {
      return await this.#key;
    } catch (error) {
      this.#key = undefined;
      throw error;
    }
  }
}

async function readOrCreateKey(file: string): Promise<Buffer> {
  try {
    const key = await readFile(file);
    if (key.length === 32) return key;
    throw new CertplaneError(
      'terminator.cache-unreadable',
      `${file} is no key of 32 bytes. Remove it to start a new copy.`,
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const key = randomBytes(32);
  await writeAtomically(file, key);
  return key;
}

async function writeAtomically(file: string, data: Buffer): Promise<void> {
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.new`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(data);
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

function fileName(kind: string, source: string, key: string): string {
  return createHash('sha256').update(`${kind}\n${source}\n${key}`).digest('hex').slice(0, 40);
}

function cacheError(
  code: 'terminator.cache-unreadable' | 'terminator.cache-unwritable',
  what: string,
  cause: unknown,
): CertplaneError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CertplaneError(code, `${what}: ${why}`, { cause });
}
