/** `certplane terminator`: the data plane alone. Handles signals itself. `terminator status` tells of those that run. */
import type { Command } from 'commander';
import type { Run } from './context.ts';
import { serviceExit } from './failure.ts';
import { addTerminatorStatus } from './terminator-status.ts';

export function addTerminator(program: Command, run: Run): void {
  const terminator = program
    .command('terminator')
    .summary('run the TLS terminator alone')
    .description('Runs the TLS terminator alone. It serves its last good certificates until a control process answers.')
    .action(async (_options: object, command: Command) => {
      await run(command, async (context) => {
        const { runTerminator } = await import('../main/terminator.ts');
        const { config: configFile } = context.options;
        return serviceExit(await runTerminator({ configFile, dataDir: context.dataDirOption }));
      });
    });
  addTerminatorStatus(terminator, run);
}
