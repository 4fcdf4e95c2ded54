/** Which files of a directory make a certificate, by the names people use. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A certificate to be read: one file with chain and key, or one of each. */
export interface CertificateFiles {
  /** Relative to the directory; stands in the certificate's id. */
  readonly name: string;
  readonly chainFile: string;
  /** The same as `chainFile` where one file has both. */
  readonly keyFile: string;
}

/** What a directory has. */
export interface Layout {
  readonly certificates: readonly CertificateFiles[];
  /** Subdirectories that cannot be looked into: somebody else's, or no directories at all. */
  readonly unreadable: readonly { readonly name: string; readonly error: unknown }[];
}

const pairs = [
  ['fullchain.pem', 'privkey.pem'], // certbot's names, and our own
  ['tls.crt', 'tls.key'], // a mounted Secret
] as const;

/** So many entries are looked at: a hundred thousand certificates with a key file each, and more. */
const mostEntries = 500_000;

/**
 * The certificates of a directory: `fullchain.pem` + `privkey.pem` or `tls.crt` + `tls.key` in it or in a subdirectory,
 * `NAME.crt` + `NAME.key`, and `NAME.pem` with both. Hidden entries are skipped; a `..data` link is followed once, so
 * that a pair is never read from two of its states.
 */
export async function findCertificates(directory: string): Promise<Layout> {
  const unreadable: { name: string; error: unknown }[] = [];
  const own = await pairIn(directory, '');
  if (own !== undefined) return { certificates: [own], unreadable };
  const entries = (await readdir(directory)).filter((name) => !name.startsWith('.')).slice(0, mostEntries);
  const names = new Set(entries);
  const found: CertificateFiles[] = [];
  const base = await dataDirectory(directory);
  for (const name of entries.toSorted()) {
    if (name.endsWith('.crt')) {
      const key = `${name.slice(0, -4)}.key`;
      if (names.has(key))
        found.push({ name: name.slice(0, -4), chainFile: join(base, name), keyFile: join(base, key) });
    } else if (name.endsWith('.pem')) {
      found.push({ name, chainFile: join(base, name), keyFile: join(base, name) });
    } else if (!name.endsWith('.key')) {
      try {
        const pair = (await isDirectory(join(directory, name))) && (await pairIn(join(directory, name), name));
        if (pair !== undefined && pair !== false) found.push(pair);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unreadable.push({ name, error }); // not gone meanwhile
      }
    }
  }
  return { certificates: found, unreadable };
}

/** The pair in a directory, read through its `..data` link where there is one. */
async function pairIn(directory: string, name: string): Promise<CertificateFiles | undefined> {
  const names = new Set(await readdir(directory));
  const pair = pairs.find(([chain, key]) => names.has(chain) && names.has(key));
  if (pair === undefined) return undefined;
  const base = await dataDirectory(directory);
  return { name: name === '' ? 'default' : name, chainFile: join(base, pair[0]), keyFile: join(base, pair[1]) };
}

/** kubelet's way, and ours: the files are links into a directory that one rename exchanges. */
async function dataDirectory(directory: string): Promise<string> {
  try {
    return await realpath(join(directory, '..data'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return directory;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // a dangling link, or gone meanwhile
    throw error;
  }
}
