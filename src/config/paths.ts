/** Paths in the file: relative to the file, `~` for the home directory; and reading the small files it names. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { resolve } from 'node:path';

/** Certificates and secrets are a few kilobytes. */
const mostBytes = 1_048_576;

export interface PathBase {
  /** Absolute; where the configuration file is. */
  readonly directory: string;
  readonly home: string;
}

export function homeOf(env: NodeJS.ProcessEnv): string {
  return env['HOME'] ?? homedir();
}

/** Absolute and without `.`, `..` or a slash at the end. */
export function resolvePath(written: string, { directory, home }: PathBase): string {
  const expanded = written === '~' || written.startsWith('~/') ? home + written.slice(1) : written;
  return resolve(directory, expanded);
}

/** The text of a file of at most `limit` bytes, or a sentence that says why not. Never both. */
export async function readSmallFile(file: string, limit = mostBytes): Promise<{ text: string } | { problem: string }> {
  try {
    // Non-blocking: opening a pipe that nobody writes to would wait for ever.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await handle.stat();
    if (!info.isFile()) return { problem: `${file} is not a file.` };
    const buffer = Buffer.alloc(Math.min(info.size, limit) + 1);
    let length = 0;
    // Read to the end rather than trust the size: it may grow, and some file systems report 0.
    for (;;) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
      length += bytesRead;
      if (bytesRead === 0) break;
      if (length > limit || length === buffer.length) return { problem: `${file} is larger than ${limit} bytes.` };
    }
    return { text: buffer.toString('utf8', 0, length) };
  } catch (error) {
    return { problem: describeFileError(file, error) };
  }
}

function describeFileError(file: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return `There is no file ${file}.`;
  if (code === 'EACCES' || code === 'EPERM') return `This user may not read ${file}.`;
  if (code === 'EISDIR') return `${file} is not a file.`;
  return `${file} cannot be read (${code ?? (error instanceof Error ? error.message : 'unknown error')}).`;
}
