/**
 * Calls back when a file has changed and then been quiet. Its directory is watched, so that a rename over it is seen too;
 * and the file is looked at now and then, for what the system does not tell: the target of a link, a remote directory.
 */
import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

const quietMs = 500;
const lookEveryMs = 3_000;

export interface WatchFileOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The system does not tell of changes (any more), so the file is looked at now and then; the message says why. */
  readonly onTrouble: (message: string) => void;
  /** Left out: `fs.watch`. */
  readonly watchDirectory?: (directory: string, changed: (name: string | null) => void) => FSWatcher;
}

/** Ends with the signal. The callback is awaited before the next one. */
export async function watchFile(
  file: string,
  changed: () => Promise<void>,
  { clock, log, signal, onTrouble, watchDirectory = watchWithSystem }: WatchFileOptions,
): Promise<void> {
  let lastChangeAt: number | undefined;
  let wake = Promise.withResolvers<void>();
  const noteChange = (): void => {
    lastChangeAt = clock.now();
    wake.resolve();
  };
  const onlyLook = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    log.warn('The configuration file cannot be watched; it is looked at every few seconds.', { reason });
    onTrouble(`${file} cannot be watched (${reason}); it is looked at every ${lookEveryMs / 1000} s instead.`);
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watchDirectory(dirname(file), (name) => {
      // Kubernetes switches a mounted file by its directory's ..data link.
      if (name === null || name === basename(file) || name === '..data') noteChange();
    });
    watcher.on('error', onlyLook);
  } catch (error) {
    onlyLook(error); // no watches or descriptors left
  }
  signal.addEventListener('abort', () => wake.resolve(), { once: true });
  const seen: Seen = { signature: await signatureOf(file) };
  const looking = lookNowAndThen(file, { seen, noteChange, clock, signal });
  try {
    while (!signal.aborted) {
      await wake.promise;
      for (let left = quietMs; left > 0 && !signal.aborted;) {
        await clock.sleep(left, signal);
        // A clock that was set back meanwhile must not make it wait for as long.
        lastChangeAt = Math.min(lastChangeAt ?? 0, clock.now());
        left = lastChangeAt + quietMs - clock.now();
      }
      if (signal.aborted) break;
      lastChangeAt = undefined;
      wake = Promise.withResolvers();
      seen.signature = await signatureOf(file);
      await changed();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    watcher?.close();
    await looking;
  }
}

/** The file as it was when it was last called back about. */
interface Seen {
  signature: string;
}

interface Looking extends Pick<WatchFileOptions, 'clock' | 'signal'> {
  readonly seen: Seen;
  readonly noteChange: () => void;
}

async function lookNowAndThen(file: string, { seen, noteChange, clock, signal }: Looking): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(lookEveryMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      return;
    }
    const now = await signatureOf(file);
    if (now !== seen.signature) noteChange();
    seen.signature = now;
  }
}

/** Differs when the file has been written or replaced. */
async function signatureOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return 'missing'; // reading it says more
  }
}

function watchWithSystem(directory: string, changed: (name: string | null) => void): FSWatcher {
  return watch(directory, (_event, name) => changed(name));
}
