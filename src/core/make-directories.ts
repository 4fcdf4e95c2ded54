/**
 * Directories, each made by a plain mkdir. Node's recursive one goes round for ever where a file system answers "no
 * such directory" to every mkdir (`/proc` does), and nothing can stop it.
 */
import { mkdirSync, statSync, type Stats } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Makes `path` and what is missing above it; what is there stays as it is. Throws the system's error. */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  const at = resolve(path);
  if ((await look(at))?.isDirectory() === true) return;
  if (dirname(at) !== at) await makeDirectories(dirname(at), mode);
  try {
    await mkdir(at, { mode });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if ((await look(at))?.isDirectory() !== true) throw error;
  }
}

/** The same, before anything else can run. */
export function makeDirectoriesSync(path: string, mode: number): void {
  const at = resolve(path);
  if (statSync(at, { throwIfNoEntry: false })?.isDirectory() === true) return;
  if (dirname(at) !== at) makeDirectoriesSync(dirname(at), mode);
  try {
    mkdirSync(at, { mode });
  } catch (error) {
    if (statSync(at, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

async function look(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
