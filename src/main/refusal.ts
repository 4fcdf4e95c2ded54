/**
 * Why control does not start while the terminator serves on without it: a small file beside the sockets, for commands
 * that find nobody who could tell them.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectories } from '../core/make-directories.ts';
import type { Log } from '../core/ports/log.ts';

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Written extends Refusal {
  /** Whose children they are: it has tidied up, or is still there. */
  readonly pid: number;
}

const fileName = 'control-refused.json';

/** Best effort: the log has said it already. */
export async function writeRefusal(run: string, { code, message }: Refusal, log: Log): Promise<void> {
  const written: Written = { code, message, pid: process.pid };
  try {
    await makeDirectories(run, 0o700);
    await writeFile(join(run, fileName), `${JSON.stringify(written)}\n`, { mode: 0o600 });
  } catch (error) {
    log.warn('Why control does not start cannot be written down for other commands.', { reason: String(error) });
  }
}

export async function removeRefusal(run: string, log: Log): Promise<void> {
  try {
    await rm(join(run, fileName), { force: true });
  } catch (error) {
    log.warn('What was written down about a start that was refused cannot be removed.', { reason: String(error) });
  }
}

/** Undefined where none is written down by a process that is still there. */
export async function readRefusal(run: string): Promise<Refusal | undefined> {
  try {
    const { code, message, pid } = JSON.parse(await readFile(join(run, fileName), 'utf8')) as Partial<Written>;
    if (typeof code !== 'string' || typeof message !== 'string' || !Number.isInteger(pid)) return undefined;
    process.kill(pid as number, 0);
    return { code, message };
  } catch {
    return undefined; // none, or of one that is gone
  }
}
