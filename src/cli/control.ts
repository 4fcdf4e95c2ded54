/** `certplane control`: the control process alone. Handles signals itself. */
import type { Command } from 'commander';
import type { Run } from './context.ts';
import { serviceExit } from './failure.ts';

export function addControl(program: Command, run: Run): void {
  program
    .command('control')
    .summary('run the control process alone')
    .description('Runs the control process alone: scheduler, issuers, state and API. Terminators connect to it.')
    .option('--watch', 'apply the configuration file when it changes')
    .action(async ({ watch = false }: { watch?: boolean }, command: Command) => {
      await run(command, async (context) => {
        const { runControl } = await import('../main/control.ts');
        const { config: configFile } = context.options;
        return serviceExit(await runControl({ configFile, dataDir: context.dataDirOption, watch }));
      });
    });
}
