/** What this user may do with files and directories around the configuration. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';

export interface DirectoryUse {
  readonly path: Path;
  /** How messages call it. */
  readonly what: string;
  /** Nothing starts without it. */
  readonly needed?: boolean;
}

/** Whether the directory can be written, or be made where it does not exist yet. */
export async function checkDirectory(
  directory: string,
  { path, what, needed = false }: DirectoryUse,
  problems: ProblemList,
): Promise<void> {
  let existing = directory;
  while (!(await exists(existing)) && dirname(existing) !== existing) existing = dirname(existing);
  if (!(await stat(existing)).isDirectory()) {
    const message = `${existing} is not a directory, so ${what} ${directory} cannot be used; write another path.`;
    // True for every user, where what one user may not write another may.
    if (needed) problems.error(path, message);
    else problems.warning(path, message);
  } else if (!(await allowed(existing, constants.W_OK | constants.X_OK))) {
    const message = `This user may not write to ${existing}, so ${what} ${directory} cannot be used; change its owner, or write another path.`;
    problems.warning(path, message);
  }
}

export async function exists(path: string): Promise<boolean> {
  return await allowed(path, constants.F_OK);
}

export async function allowed(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false; // whatever the reason: it cannot be used like that
  }
}
