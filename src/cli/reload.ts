/** `certplane reload`: the running control process reads its configuration file again. */
import type { Command } from 'commander';
import type { ReloadResult } from '../api/contract/overview.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { whileShowing } from './progress.ts';
import { clean } from './text.ts';

/** 30,000 certificates take some seconds to read, and their records to write. */
const patienceMs = 300_000;

interface Accepted {
  readonly acceptRemoval?: boolean;
  readonly acceptReissue?: boolean;
}

export function addReload(program: Command, run: Run): void {
  program
    .command('reload')
    .summary('apply the changed configuration file')
    .description('Makes the running control process read its configuration file again. A broken file changes nothing.')
    .option('--accept-removal', 'also when it removes more than half of the certificates')
    .option('--accept-reissue', 'let a mass re-issue go that is held because specifications changed')
    .addOption(urlOption())
    .action(async ({ acceptRemoval = false, acceptReissue = false }: Accepted, command: Command) => {
      await run(command, async (context) => await reload(context, { acceptRemoval, acceptReissue }));
    });
}

async function reload(context: Context, accepted: Accepted): Promise<ExitCode> {
  const api = await context.api();
  const signal = context.io.interrupted();
  const result = await whileShowing(
    context,
    'Applying the configuration file …',
    async () => await api.post<ReloadResult>('/reload', accepted, { signal, timeoutMs: patienceMs }),
  );
  if (context.json) {
    context.outJson(result);
    return exitCodes.ok;
  }
  const { added, changed, removed, restartNeeded, warnings } = result;
  context.out(`Applied: ${added} added, ${changed} changed, ${removed} removed.\n`);
  const warn = (text: string): void => context.note(`${context.paint('warn', 'Note')}: ${clean(text)}\n`);
  for (const option of restartNeeded) warn(`${option} has changed; it takes effect after a restart.`);
  for (const warning of warnings) warn(warning);
  return exitCodes.ok;
}
