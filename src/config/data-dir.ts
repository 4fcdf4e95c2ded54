/** The data directory alone, for commands that only need to find the admin socket: fast, and also of a broken file. */
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import type { LoadOptions } from './load.ts';
import { homeOf, readSmallFile, resolvePath } from './paths.ts';

const mostBytes = 32 * 1024 * 1024;

/** Absolute, by the same rules as `loadConfig`; the default where the file does not say. Never throws. */
export async function findDataDir({ file, env, dataDir }: LoadOptions): Promise<string> {
  const override = dataDir ?? env['CERTPLANE_DATA_DIR'];
  if (override !== undefined && override !== '') return resolve(override);
  const absolute = resolve(file);
  const read = await readSmallFile(absolute, mostBytes);
  const written = 'text' in read ? findWritten(read.text) : undefined;
  return resolvePath(written ?? './data', { directory: dirname(absolute), home: homeOf(env) });
}

/** Almost always one line; only where it is not, the whole text is parsed. */
function findWritten(text: string): string | undefined {
  const line = /^(["']?)dataDir\1[ \t]*:.*$/m.exec(text)?.[0];
  if (line === undefined && !/^\s*\{/.test(text)) return undefined;
  return dataDirOf(line ?? '') ?? dataDirOf(text);
}

function dataDirOf(text: string): string | undefined {
  try {
    const value: unknown = parse(text, { uniqueKeys: false, logLevel: 'silent' });
    const found: unknown =
      typeof value === 'object' && value !== null ? (value as { dataDir?: unknown }).dataDir : undefined;
    return typeof found === 'string' && found.trim() !== '' ? found : undefined;
  } catch {
    return undefined; // `check` says what is wrong with the file
  }
}
