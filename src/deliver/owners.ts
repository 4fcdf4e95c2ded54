/** Users and groups by name or number, as this machine's /etc/passwd and /etc/group know them. */
import { CertplaneError } from '../core/errors.ts';
import type { FileSystem } from './file-system.ts';

const largestId = 4_294_967_294;
const maxTableBytes = 16_777_216;

/** -1 means "as it comes". */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Throws `output.owner-unknown`. */
export async function resolveOwner(
  wanted: { readonly owner?: string | undefined; readonly group?: string | undefined },
  fileSystem: FileSystem,
): Promise<Owner> {
  return {
    uid: wanted.owner === undefined ? -1 : await idOf(wanted.owner, 'user', fileSystem),
    gid: wanted.group === undefined ? -1 : await idOf(wanted.group, 'group', fileSystem),
  };
}

async function idOf(name: string, kind: 'user' | 'group', fileSystem: FileSystem): Promise<number> {
  const table = kind === 'user' ? '/etc/passwd' : '/etc/group';
  const id = /^\d{1,10}$/.test(name) ? Number(name) : findId((await fileSystem.read(table, maxTableBytes)) ?? '', name);
  if (id !== undefined && id <= largestId) return id;
  throw new CertplaneError(
    'output.owner-unknown',
    `There is no ${kind} "${name}" in ${table}. Create it, correct the name, or write its number.`,
  );
}

/** The third field of the line that starts with the name: `name:password:id:…` (passwd(5), group(5)). */
export function findId(table: string, name: string): number | undefined {
  for (const line of table.split('\n')) {
    const [found, , id] = line.split(':', 4);
    if (found === name && id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  }
  return undefined;
}
