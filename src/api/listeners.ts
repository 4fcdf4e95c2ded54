/** Where the API is reached: loopback TCP, and a unix socket that only the same user can open. */
import { chmod } from 'node:fs/promises';
import type { Server } from 'node:http';
import { formatAddress } from '../core/listen-address.ts';
import { CertplaneError } from '../core/errors.ts';
import type { ListenAddress } from '../core/terminator.ts';
import { claimSocketPath } from '../state/unix-socket.ts';

/** Throws `terminator.address-in-use` and `terminator.address-forbidden`. */
export async function listenOnTcp(server: Server, listen: ListenAddress): Promise<void> {
  try {
    await listening(server, { host: listen.host, port: listen.port });
  } catch (cause) {
    throw listenError(cause, formatAddress(listen), 'change admin.listen');
  }
}

/** Opens the admin socket: directory 0700, socket 0600. Throws what `claimSocketPath` throws. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  await claimSocketPath(path);
  try {
    await listening(server, { path });
    await chmod(path, 0o600);
  } catch (cause) {
    throw listenError(cause, path, 'check the permissions of dataDir');
  }
}

/** Stops accepting, cuts what is still open, and resolves when nothing is left. */
export async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

async function listening(server: Server, where: { path: string } | ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...where }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function listenError(cause: unknown, place: string, advice: string): Error {
  if (cause instanceof CertplaneError || !(cause instanceof Error)) return cause as Error;
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const message = `The address ${place} is already in use. Stop the other program, or ${advice}.`;
    return new CertplaneError('terminator.address-in-use', message, { cause });
  }
  const message = `The address ${place} cannot be opened (${code ?? cause.message}); ${advice}.`;
  return new CertplaneError('terminator.address-forbidden', message, { cause });
}
