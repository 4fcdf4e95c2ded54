import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { CertplaneError } from '../core/errors.ts';
import { makeDirectories } from '../core/make-directories.ts';

/** Linux' limit (`sun_path`), the final zero not counted. */
const longestPath = 107;

/**
 * Makes room for a listening socket: its directory exists with mode 0700, and what a dead process left there is gone.
 * Throws `store.locked` when something answers on it, `store.unavailable` when the path cannot be used.
 */
export async function claimSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) {
    throw new CertplaneError(
      'store.unavailable',
      `The socket path ${path} is longer than ${longestPath} bytes; choose a shorter data directory.`,
    );
  }
  try {
    await makeDirectories(dirname(path), 0o700);
    await chmod(dirname(path), 0o700);
    const present = await lstat(path).catch(ignoreMissing);
    if (present === undefined) return;
    if (!present.isSocket()) {
      throw new CertplaneError('store.unavailable', `${path} is in the way: it is not a socket. Remove it.`);
    }
    if (await answers(path)) {
      throw new CertplaneError('store.locked', `Another control plane answers on ${path}.`);
    }
    await unlink(path).catch(ignoreMissing);
  } catch (cause) {
    if (cause instanceof CertplaneError) throw cause;
    throw new CertplaneError('store.unavailable', `The socket ${path} cannot be created: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path);
  probe.once('connect', () => resolve(true));
  // ECONNREFUSED: nobody listens any more. EAGAIN: somebody does, and is too busy to accept.
  probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  try {
    return await promise;
  } finally {
    probe.destroy();
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
