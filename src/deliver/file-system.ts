/** The few file operations an output needs, as a port, so that tests can end the world at each of them. */
import type { Stats } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { makeDirectories } from '../core/make-directories.ts';

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface NewFile {
  readonly content: string;
  readonly mode: number;
  /** -1: as it comes. */
  readonly uid: number;
  readonly gid: number;
}

export interface FileSystem {
  /** Of the path itself; undefined when there is nothing. */
  look(path: string): Promise<FileFacts | undefined>;
  /** Of what links lead to; undefined when they lead nowhere. */
  follow(path: string): Promise<FileFacts | undefined>;
  list(directory: string): Promise<readonly string[]>;
  readLink(path: string): Promise<string>;
  /** At most `limit` bytes; undefined when it is no regular file or larger. */
  read(path: string, limit: number): Promise<string | undefined>;
  makeDirectory(path: string, recursive: boolean): Promise<void>;
  /** A new file; durable, and never more open than `mode` says. */
  create(path: string, file: NewFile): Promise<void>;
  makeLink(target: string, path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

export const realFileSystem: FileSystem = {
  look: async (path) => await facts(lstat(path)),
  follow: async (path) => await facts(stat(path)),
  list: async (directory) => await readdir(directory),
  readLink: async (path) => await readlink(path),
  async read(path, limit) {
    // Looked at first: opening a pipe would wait for somebody to write into it.
    const found = await facts(stat(path));
    if (found?.kind !== 'file' || found.size > limit) return undefined;
    await using handle = await open(path, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(found.size), 0, found.size, 0);
    return buffer.toString('utf8', 0, bytesRead);
  },
  async makeDirectory(path, recursive) {
    if (recursive) return await makeDirectories(path, 0o755);
    await mkdir(path, { mode: 0o755 });
    // The umask may have closed it to the very user it is for; who may read the keys is said by the files' own modes.
    await chmod(path, 0o755);
  },
  async create(path, file) {
    await using handle = await open(path, 'wx', 0o600);
    await handle.writeFile(file.content);
    if (file.uid !== -1 || file.gid !== -1) await handle.chown(file.uid, file.gid);
    await handle.chmod(file.mode); // last: opened to the group only once it is the right group
    await handle.sync();
  },
  makeLink: async (target, path) => await symlink(target, path),
  rename: async (from, to) => await rename(from, to),
  remove: async (path) => await rm(path, { recursive: true, force: true }),
  async syncDirectory(path) {
    await using handle = await open(path, 'r');
    await handle.sync();
  },
};

async function facts(looking: Promise<Stats>): Promise<FileFacts | undefined> {
  try {
    const found = await looking;
    const { size, uid, gid } = found;
    return { kind: kindOf(found), size, mode: found.mode & 0o7777, uid, gid };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function kindOf(found: Stats): FileFacts['kind'] {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  return found.isSymbolicLink() ? 'link' : 'other';
}
