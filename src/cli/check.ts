/** `certplane check`: every problem of the configuration file at once. */
import type { Command } from 'commander';
import type { Config, ConfigProblem } from '../config/model.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { cleanLines, plural } from './text.ts';

interface CheckFlags {
  readonly listen?: boolean;
  readonly options?: boolean;
}

/** More than a person reads; `--json` has them all. */
const mostShown = 100;

export function addCheck(program: Command, run: Run): void {
  program
    .command('check')
    .summary('check the configuration file')
    .description(
      'Checks the configuration file and what it needs around it. Changes nothing; exits 1 when there are errors.',
    )
    .option('--listen', 'also try to open every address (fails for those of a running Certplane)')
    .option('--options', 'print the table of all options instead')
    .action(async (flags: CheckFlags, command: Command) => {
      await run(command, async (context) =>
        flags.options === true ? await printOptions(context) : await check(context, flags),
      );
    });
}

async function printOptions(context: Context): Promise<ExitCode> {
  const { listOptions, optionTable } = await import('../config/options.ts');
  if (context.json) context.outJson(listOptions());
  else context.out(`${optionTable()}\n`);
  return exitCodes.ok;
}

async function check(context: Context, { listen = false }: CheckFlags): Promise<ExitCode> {
  const { checkConfig } = await import('../config/check.ts');
  const { formatProblem } = await import('../config/problems.ts');
  const file = await context.configFile();
  const { ownerProblems } = await import('./owner-problem.ts');
  const { config, problems } = await checkConfig({
    file,
    env: context.io.env,
    dataDir: context.dataDirOption,
    listen,
    ownerProblem: await ownerProblems(),
  });
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (context.json) context.outJson({ file, ok: errors === 0, problems });
  else {
    // Errors come first where not everything is shown.
    const shown = problems.length <= mostShown ? problems : bySeverity(problems).slice(0, mostShown);
    for (const problem of shown) {
      const tone = problem.severity === 'error' ? 'bad' : 'warn';
      const line = cleanLines(formatProblem(file, problem));
      context.out(`${line.replace(`: ${problem.severity}: `, `: ${context.paint(tone, problem.severity)}: `)}\n`);
    }
    if (problems.length > shown.length) context.out(`… and ${problems.length - shown.length} more; --json shows all\n`);
    context.out(summary(file, config, errors, context));
  }
  return errors === 0 ? exitCodes.ok : exitCodes.problem;
}

function bySeverity(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted((a, b) => a.severity.localeCompare(b.severity));
}

function summary(file: string, config: Config | undefined, errors: number, { paint }: Context): string {
  if (errors > 0) return `${paint('bad', plural(errors, 'error'))} in ${file}\n`;
  if (config === undefined) return '';
  const { certificates, issuers, terminator } = config;
  const parts = [plural(certificates.length, 'certificate'), plural(issuers.length, 'issuer')];
  if (terminator !== undefined) parts.push(plural(terminator.routes.length, 'route'));
  const lines = issuers.flatMap((issuer) =>
    issuer.kind === 'acme'
      ? [`issuer ${issuer.name}: ${issuer.directory} (starting accepts its terms of service)\n`]
      : [],
  );
  return `${lines.join('')}${paint('good', 'ok')}: ${file} (${parts.join(', ')})\n`;
}
