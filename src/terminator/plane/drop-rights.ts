import type { Account } from '../../core/accounts.ts';
import { CertplaneError } from '../../core/errors.ts';

/** Becomes that user for good, with all its groups and without any capability. Throws when it could not. */
export function dropRights({ uid, gid, name }: Account): void {
  // Missing in @types/node.
  const { initgroups } = process as typeof process & { initgroups?: (user: string, group: number) => void };
  const { setgroups, setgid, setuid } = process;
  if (initgroups === undefined || setgroups === undefined || setgid === undefined || setuid === undefined)
    throw new CertplaneError('terminator.user-unusable', 'This system has no users to change to.');
  if (name === undefined) setgroups([gid]);
  else initgroups(name, gid);
  setgid(gid);
  setuid(uid); // as root this sets the saved id, too, and the kernel takes every capability away
  if (process.getuid?.() === uid && process.geteuid?.() === uid && !canBecomeRoot(setuid)) return;
  throw new CertplaneError(
    'terminator.user-unusable',
    `A worker could not give up the rights of root for user ${uid}.`,
  );
}

function canBecomeRoot(setuid: (id: number) => void): boolean {
  try {
    setuid(0);
    return true;
  } catch {
    return false; // EPERM, as it should
  }
}
