/**
 * What the configuration in force is like, in a small file: `certplane run` and the terminator must not open the store,
 * and still have to tell an emptied file from a wanted change.
 */
import { open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../config/model.ts';
import { makeDirectories } from '../core/make-directories.ts';
import { storeError } from '../store/sqlite-errors.ts';

export interface AppliedMarker {
  readonly certificates: number;
  /** Whether it has a terminator. */
  readonly terminator: boolean;
}

const mostBytes = 4_096;

function markerFile(dataDir: string): string {
  return join(dataDir, 'run', 'applied.json');
}

/** Throws `store.unavailable`. */
export async function writeMarker(dataDir: string, { certificates, terminator }: AppliedMarker): Promise<void> {
  const file = markerFile(dataDir);
  try {
    await makeDirectories(dirname(file), 0o700);
    await writeFile(`${file}.next`, `${JSON.stringify({ certificates, terminator })}\n`, { mode: 0o600 });
    await rename(`${file}.next`, file);
  } catch (error) {
    throw storeError(error, file);
  }
}

/** Undefined where there is none, or none that can be read: then the file alone says what is wanted. */
export async function readMarker(dataDir: string): Promise<AppliedMarker | undefined> {
  try {
    await using handle = await open(markerFile(dataDir), 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(mostBytes), 0, mostBytes, 0);
    const found = JSON.parse(buffer.toString('utf8', 0, bytesRead)) as Partial<AppliedMarker> | null;
    const { certificates, terminator } = found ?? {};
    return Number.isInteger(certificates) && typeof terminator === 'boolean'
      ? { certificates: certificates as number, terminator }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether control will hold this configuration because it lost more than half of the certificates. */
export function isShrunk(config: Pick<Config, 'certificates'>, marker: AppliedMarker): boolean {
  return config.certificates.length * 2 < marker.certificates;
}
