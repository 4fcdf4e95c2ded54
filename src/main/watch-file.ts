/** Calls back when a file has changed and then been quiet. Its directory is watched, so that a rename over it is seen too. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';

const quietMs = 500;

/** Ends with the signal. The callback is awaited before the next one. */
export async function watchFile(
  file: string,
  changed: () => Promise<void>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  let lastChangeAt: number | undefined;
  let wake = Promise.withResolvers<void>();
  const watcher = watch(dirname(file), { signal }, (_event, name) => {
    // Kubernetes switches a mounted file by its directory's ..data link.
    if (name !== null && name !== basename(file) && name !== '..data') return;
    lastChangeAt = clock.now();
    wake.resolve();
  });
  watcher.on('error', (error) =>
    log.warn('The configuration file cannot be watched any more.', { reason: error.message }),
  );
  signal.addEventListener('abort', () => wake.resolve(), { once: true });
  while (!signal.aborted) {
    await wake.promise;
    try {
      for (
        let quietAt = lastChangeAt;
        quietAt !== undefined;
        quietAt = lastChangeAt === quietAt ? undefined : lastChangeAt
      ) {
        await clock.waitUntil(quietAt + quietMs, signal);
      }
    } catch {
      return; // aborted while waiting
    }
    lastChangeAt = undefined;
    wake = Promise.withResolvers();
    await changed();
  }
}
