/** `certplane run`: control and, where one is configured, the terminator. Handles signals itself. */
import type { Command } from 'commander';
import type { Run } from './context.ts';
import { serviceExit } from './failure.ts';

export function addRun(program: Command, run: Run): void {
  program
    .command('run')
    .summary('run everything: control and terminator')
    .description('Runs control and, where the configuration has one, the terminator, until Ctrl-C or SIGTERM.')
    .option('--watch', 'apply the configuration file when it changes')
    .action(async ({ watch = false }: { watch?: boolean }, command: Command) => {
      await run(command, async (context) => {
        const { run: start } = await import('../main/run.ts');
        const { config: configFile } = context.options;
        return serviceExit(await start({ configFile, dataDir: context.dataDirOption, watch }));
      });
    });
}
