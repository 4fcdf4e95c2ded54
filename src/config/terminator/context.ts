/** What reading the terminator's section needs of the rest of the file. */
import type { Issuers } from '../issuers.ts';
import { resolvePath, type PathBase } from '../paths.ts';
import type { Path } from '../position.ts';
import type { ProblemList } from '../problems.ts';
import { nearest } from '../values/nearest.ts';

/** A file that the terminator reads when it runs. */
export interface NamedFile {
  readonly kind: 'ca' | 'crl' | 'ticket-keys';
  readonly file: string;
  readonly path: Path;
}

export interface TerminatorContext {
  readonly base: PathBase;
  readonly dataDir: string;
  readonly problems: ProblemList;
  readonly issuers: Issuers;
  /** Under `certificates`: DNS names by name; none where they could not be read. */
  readonly certificates: ReadonlyMap<string, readonly string[]>;
  /** Served besides the routes. */
  readonly adminHosts: readonly string[];
  /** Added to by whoever reads an option that names one. */
  readonly files: NamedFile[];
}

/** Absolute, and remembered for `check`. */
export function namedFile(kind: NamedFile['kind'], written: string, path: Path, context: TerminatorContext): string {
  const file = resolvePath(written, context.base);
  context.files.push({ kind, file, path });
  return file;
}

/** The id of a certificate of the file; undefined, and reported, when there is none of that name. */
export function certificateIdOf(name: string, path: Path, context: TerminatorContext): string | undefined {
  const { certificates, problems } = context;
  if (certificates.has(name)) return `file/${name}`;
  const known = [...certificates.keys()];
  const instead = nearest(name, known) ?? (known.length === 0 ? undefined : `one of ${known.slice(0, 10).join(', ')}`);
  const write = instead === undefined ? 'define it there' : `write ${instead}, or define it there`;
  problems.error(path, `There is no certificate ${JSON.stringify(name)} under certificates; ${write}.`);
  return undefined;
}
