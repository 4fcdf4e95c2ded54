import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { materialPrefix } from './cache.ts';

/** Whether there is a copy with a certificate in it: without opening it, so that whoever serves from it is left alone. */
export async function hasLastGoodCopy(directory: string): Promise<boolean> {
  try {
    const names = (await readdir(directory)).filter((name) => name.startsWith(materialPrefix));
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
    return sizes.some((size) => size > 0);
  } catch {
    return false; // none, or none that could be used
  }
}
