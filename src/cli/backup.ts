/** `certplane backup`: database and encryption key in one file, with or without a running control process. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { hasCode } from '../core/errors.ts';
import { silentLog } from '../core/ports/log.ts';
import { systemClock } from '../core/system-clock.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { whileShowing } from './progress.ts';

/** A large database on a slow disk. */
const patienceMs = 3_600_000;

export function addBackup(program: Command, run: Run): void {
  program
    .command('backup')
    .argument('<file>', 'the file to write; one that is there is replaced')
    .summary('write database and encryption key to a file')
    .description(
      'Writes a copy of the database and its encryption key to a file (0600), also while Certplane runs. Keep it as safe as the keys in it.',
    )
    .action(async (file: string, _options: object, command: Command) => {
      await run(command, async (context) => await backup(context, resolve(context.io.cwd, file)));
    });
}

async function backup(context: Context, file: string): Promise<ExitCode> {
  const signal = context.io.interrupted();
  const api = await context.api();
  let online = true;
  await whileShowing(context, `Writing the backup to ${file} …`, async () => {
    try {
      await api.post('/backup', { file }, { signal, timeoutMs: patienceMs });
    } catch (error) {
      if (!hasCode(error, 'process.control-unreachable')) throw error;
      online = false;
      await backupOffline(context, file, signal);
    }
  });
  if (context.json) context.outJson({ file, online });
  else
    context.out(
      `Backup written to ${file}${online ? '' : ' (no control process is running)'}. It holds private keys: keep it safe.\n`,
    );
  return exitCodes.ok;
}

async function backupOffline(context: Context, file: string, signal: AbortSignal): Promise<void> {
  const [{ backupStore }, { loadEncryptionKey }, { openSqliteStore }] = await Promise.all([
    import('../store/backup.ts'),
    import('../store/encryption.ts'),
    import('../store/sqlite-store.ts'),
  ]);
  const dataDir = await context.dataDir();
  const { key } = await loadEncryptionKey({ dataDir, env: context.io.env, createIfMissing: false });
  await using store = await openSqliteStore({ dataDir, key, clock: systemClock, log: silentLog, readOnly: true });
  await backupStore(store, key, file, signal);
}
