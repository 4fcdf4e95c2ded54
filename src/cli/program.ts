/** The command line: every command, and the options all of them take. */
import { Command } from 'commander';
import { addBackup } from './backup.ts';
import { addCheck } from './check.ts';
import type { Run } from './context.ts';
import { addControl } from './control.ts';
import { addDoctor } from './doctor.ts';
import { addList } from './list.ts';
import { addPlan } from './plan.ts';
import { addReload } from './reload.ts';
import { addRenew } from './renew.ts';
import { addRestore } from './restore.ts';
import { addRun } from './run.ts';
import { addShow } from './show.ts';
import { addTerminator } from './terminator.ts';
import { addToken } from './token.ts';

const commands = [
  addRun,
  addControl,
  addTerminator,
  addCheck,
  addPlan,
  addList,
  addShow,
  addRenew,
  addDoctor,
  addReload,
  addToken,
  addBackup,
  addRestore,
];

export function createProgram(run: Run, version: string): Command {
  const program = new Command('certplane')
    .description('The certificate control plane: obtains, renews, delivers, serves and explains TLS certificates.')
    .version(version, '-V, --version', 'print the version')
    .option(
      '-c, --config <file>',
      'configuration file (else $CERTPLANE_CONFIG, ./certplane.yaml, /etc/certplane/certplane.yaml)',
    )
    .option('--data-dir <directory>', 'data directory, in place of the one in the file (also $CERTPLANE_DATA_DIR)')
    .option('--json', 'print results and errors as JSON')
    .helpOption('-h, --help', 'show what a command takes')
    .helpCommand('help [command]', 'show what a command takes')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError(true);
  for (const add of commands) add(program, run);
  return program;
}
