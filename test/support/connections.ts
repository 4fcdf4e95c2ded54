import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * How many accepted connections of a local TCP port (IPv4) a process holds, from /proc. Shared listening sockets and
 * connections that still wait in their backlog are nobody's and do not count. Stop the process first for a number that holds.
 */
export function heldConnections(pid: number, port: number): number {
  const own = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const inode = socketInode(`/proc/${pid}/fd/${fd}`);
    if (inode !== undefined) own.add(inode);
  }
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const listening = '0A';
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, address, , state, , , , , , inode]) => {
      return address?.endsWith(local) === true && state !== listening && own.has(inode ?? '');
    }).length;
}

function socketInode(path: string): string | undefined {
  try {
    return readlinkSync(path).match(/^socket:\[(\d+)\]$/)?.[1];
  } catch {
    return undefined; // closed meanwhile
  }
}
