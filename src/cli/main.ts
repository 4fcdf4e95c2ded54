/** The command line's entry: parses, runs one command, and gives back its exit code. */
import { readFile } from 'node:fs/promises';
import { CommanderError, type Command } from 'commander';
import { Context, type GlobalOptions, type Run } from './context.ts';
import { exitCodes, reportFailure, usageError, type ExitCode } from './failure.ts';
import { processIo, type CliIo } from './io.ts';
import { createProgram } from './program.ts';

/** `argv` without the program's name. Resolves the exit code (0 ok, 1 problem, 2 usage); never rejects. */
export async function main(argv: readonly string[], io: CliIo = processIo()): Promise<ExitCode> {
  let exitCode: ExitCode = exitCodes.ok;
  const run: Run = async (command, work) => {
    exitCode = await work(new Context(io, command.optsWithGlobals<GlobalOptions>()));
  };
  try {
    const program = createProgram(run, await version());
    quieten(program, io);
    if (argv.length === 0) {
      program.outputHelp({ error: true });
      return exitCodes.usage;
    }
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    const json = argv.includes('--json');
    if (!(error instanceof CommanderError)) return reportFailure(error, io, json);
    if (error.exitCode === 0) return exitCodes.ok; // --help, --version
    return error.code === 'commander.help'
      ? exitCodes.usage
      : reportFailure(usageError(usageSentence(error)), io, json);
  }
}

/** Its output goes to ours, its errors are thrown, for the whole tree of commands. */
function quieten(command: Command, io: CliIo): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => void io.stdout.write(text),
    writeErr: (text) => void io.stderr.write(text),
    outputError: () => undefined, // said by reportFailure
    getOutHelpWidth: () => io.stdout.columns ?? 80,
    getErrHelpWidth: () => io.stderr.columns ?? 80,
  });
  for (const child of command.commands) quieten(child, io);
}

function usageSentence({ message }: CommanderError): string {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n');
  const hint = rest.map((line) => line.replace(/^\((.*)\)$/, '$1')).join(' ');
  const sentence = first.charAt(0).toUpperCase() + first.slice(1);
  return `${/[.?!]$/.test(sentence) ? sentence : `${sentence}.`}${hint === '' ? '' : ` ${hint}`}`;
}

/** The same distance from src/cli and from dist/cli. */
async function version(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
