/** `certplane restore`: a backup becomes the database again. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CertplaneError, hasCode } from '../core/errors.ts';
import { timeText } from '../core/time-text.ts';
import { connect } from './client.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { whileShowing } from './progress.ts';

export function addRestore(program: Command, run: Run): void {
  program
    .command('restore')
    .argument('<file>', 'a file that "certplane backup" wrote')
    .summary('put a backup in place of the database')
    .description('Puts a backup in place of the database. Refused while a control process runs.')
    .option('--force', 'also where there is a database; it is moved aside, not deleted')
    .action(async (file: string, { force = false }: { force?: boolean }, command: Command) => {
      await run(command, async (context) => await restore(context, resolve(context.io.cwd, file), force));
    });
}

async function restore(context: Context, file: string, force: boolean): Promise<ExitCode> {
  const signal = context.io.interrupted();
  const dataDir = await context.dataDir();
  await refuseWhileRunning(dataDir, signal);
  const { restoreBackup } = await import('../store/restore.ts');
  const options = { file, dataDir, force, env: context.io.env, signal };
  const { createdAt, keyPath, movedTo } = await whileShowing(
    context,
    `Restoring ${file} to ${dataDir} …`,
    async () => await restoreBackup(options),
  );
  if (context.json)
    context.outJson({ file, dataDir, createdAt: new Date(createdAt).toISOString(), keyPath, movedTo: movedTo ?? null });
  else {
    context.out(`Restored the backup of ${timeText(createdAt)} to ${dataDir}. The encryption key is ${keyPath}.\n`);
    if (movedTo !== undefined) context.out(`What was there before is in ${movedTo}.\n`);
  }
  return exitCodes.ok;
}

/** The store's own lock is the guard; this one says it earlier, and by name. */
async function refuseWhileRunning(dataDir: string, signal: AbortSignal): Promise<void> {
  const api = connect({ socketPath: resolve(dataDir, 'run', 'admin.sock') });
  try {
    await api.get('/session', { signal, timeoutMs: 5_000 });
  } catch (error) {
    if (hasCode(error, 'process.control-unreachable')) return;
    if (hasCode(error, 'process.aborted')) throw error;
    // It answers, whatever it says.
  }
  throw new CertplaneError('store.locked', `A control process is using ${dataDir}; stop it, and restore again.`);
}
