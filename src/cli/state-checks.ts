/** What can be said of the data directory from outside, without a control process. Changes nothing. */
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Doctor } from '../api/contract/overview.ts';
import { toCertplaneError } from '../core/errors.ts';
import { silentLog } from '../core/ports/log.ts';
import { systemClock } from '../core/system-clock.ts';
import { check, ok, problem, skipped, type Finding } from '../explain/finding.ts';
import { databasePath, fileAt } from '../store/data-dir.ts';
import { loadEncryptionKey, type LoadedKey } from '../store/encryption.ts';
import { lockHolder } from '../store/lock.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';

type CheckResult = Doctor['checks'][number];

/** Less than this, and the next issuances may not be kept. */
const leastFreeBytes = 64 * 1_048_576;

export async function stateChecks(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  let loaded: LoadedKey | undefined;
  const checks = [
    check('state', 'Data directory', async () => await directoryFinding(dataDir)),
    check('state', 'Disk space', async () => await spaceFinding(dataDir)),
    check('state', 'In use', () => lockFinding(dataDir)),
    check('state', 'Encryption key', async () => {
      if (!(await hasDatabase(dataDir)) && env['CERTPLANE_ENCRYPTION_KEY_FILE'] === undefined)
        return skipped('There is no database yet; the first start makes its key.');
      loaded = await loadEncryptionKey({ dataDir, env, createIfMissing: false });
      return ok(`${loaded.path} can be read${loaded.origin === 'systemd-credential' ? '' : ', by its owner alone'}.`);
    }),
    check('state', 'Database', async () => {
      if (!(await hasDatabase(dataDir))) return skipped('There is no database yet; the first start makes it.');
      if (loaded === undefined) return skipped('Without its key the database is not opened.');
      const options = { dataDir, key: loaded.key, clock: systemClock, log: silentLog, readOnly: true };
      await using store = await openSqliteStore(options);
      return ok(`${store.path} is sound, and opens with the key.`);
    }),
  ];
  const results: CheckResult[] = [];
  for (const one of checks) {
    signal.throwIfAborted();
    results.push(await present(one, signal));
  }
  return results;
}

/** What cannot be looked at is the problem it says it is. */
async function present(one: ReturnType<typeof check<undefined>>, signal: AbortSignal): Promise<CheckResult> {
  try {
    const { advice, ...result } = await one.run(undefined, signal);
    return { ...result, advice: advice ?? null };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = toCertplaneError(error);
    const { advice, ...finding } = problem(code, message);
    return { link: one.link, title: one.title, ...finding, advice: advice ?? null };
  }
}

async function directoryFinding(dataDir: string): Promise<Finding> {
  const existing = await nearest(dataDir);
  if (!(await stat(existing)).isDirectory())
    return problem('store.unavailable', `${existing} is not a directory.`, 'Choose another data directory.');
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch {
    return problem('store.unavailable', `This user may not write to ${existing}.`);
  }
  return existing === dataDir ? ok(`${dataDir} can be written.`) : skipped(`${dataDir} is made by the first start.`);
}

async function spaceFinding(dataDir: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearest(dataDir));
  const free = bavail * bsize;
  const text = `${Math.floor(free / 1_048_576)} MiB are free.`;
  return free < leastFreeBytes
    ? problem('store.unavailable', `Only ${text}`, 'Free space on its file system.')
    : ok(text);
}

function lockFinding(dataDir: string): Finding {
  const holder = lockHolder(dataDir);
  if (holder === undefined) return ok('No process uses the data directory.');
  const who = holder.pid === undefined ? 'A process' : `Process ${holder.pid}`;
  const message = `${who} uses ${dataDir} and does not answer at its admin socket.`;
  return problem('store.locked', message, 'It is starting, stopping or stuck: look at its log.');
}

async function hasDatabase(dataDir: string): Promise<boolean> {
  return ((await fileAt(databasePath(dataDir)))?.size ?? 0) > 0;
}

/** The directory, or the closest one above it that is there. */
async function nearest(directory: string): Promise<string> {
  let existing = directory;
  while (dirname(existing) !== existing && (await fileAt(existing)) === undefined) existing = dirname(existing);
  return existing;
}
