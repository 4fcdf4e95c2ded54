/** `certplane doctor`: the checks of the installation, in the order of the flow. */
import type { Command } from 'commander';
import type { Doctor } from '../api/contract/overview.ts';
import { CertplaneError, hasCode } from '../core/errors.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { checkLines } from './show.ts';
import { plural } from './text.ts';

type CheckResult = Doctor['checks'][number];

/** Checks open connections of their own. */
const patienceMs = 120_000;

export function addDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .summary('check the whole installation')
    .description(
      'Runs the checks of the whole installation, in the order of the flow. Exits 1 when one finds a problem.',
    )
    .addOption(urlOption())
    .action(async (_options: object, command: Command) => {
      await run(command, doctor);
    });
}

async function doctor(context: Context): Promise<ExitCode> {
  const checks = await gather(context);
  const problems = checks.filter(({ verdict }) => verdict === 'problem').length;
  if (context.json) context.outJson({ checks });
  else {
    context.out(checkLines(checks, context.paint));
    const end =
      problems === 0
        ? context.paint('good', 'No problems found.')
        : context.paint('bad', `${plural(problems, 'problem')} found.`);
    context.out(`${end}\n`);
  }
  return problems === 0 ? exitCodes.ok : exitCodes.problem;
}

async function gather(context: Context): Promise<CheckResult[]> {
  try {
    const api = await context.api();
    const { checks } = await api.get<Doctor>('/doctor', { signal: context.io.interrupted(), timeoutMs: patienceMs });
    return checks;
  } catch (error) {
    if (context.options.url !== undefined) throw error;
    if (hasCode(error, 'process.control-unreachable') || hasCode(error, 'config.not-found')) {
      return await withoutControl(context, error as CertplaneError);
    }
    throw error;
  }
}

/** What can be looked at from here. */
async function withoutControl(context: Context, { code, message }: CertplaneError): Promise<CheckResult[]> {
  const control = { link: 'state', title: 'Control process', verdict: 'problem', code, message, advice: null } as const;
  if (code === 'config.not-found') return [{ ...control, link: 'config', title: 'Configuration file' }];
  return [await configCheck(context), control];
}

async function configCheck(context: Context): Promise<CheckResult> {
  const title = 'Configuration file';
  try {
    const file = await context.configFile();
    const { checkConfig } = await import('../config/check.ts');
    const { configInvalid } = await import('../config/problems.ts');
    const { config, problems } = await checkConfig({
      file,
      env: context.io.env,
      dataDir: context.dataDirOption,
      listen: false,
    });
    if (config === undefined) {
      const advice = 'Correct the file; "certplane check" shows every problem.';
      return {
        link: 'config',
        title,
        verdict: 'problem',
        code: 'config.invalid',
        message: configInvalid(file, problems).message,
        advice,
      };
    }
    const warnings =
      problems.length === 0 ? '' : ` with ${plural(problems.length, 'warning')} ("certplane check" shows them)`;
    return { link: 'config', title, verdict: 'ok', code: 'ok', message: `${file} is valid${warnings}.`, advice: null };
  } catch (error) {
    if (!(error instanceof CertplaneError)) throw error;
    return { link: 'config', title, verdict: 'problem', code: error.code, message: error.message, advice: null };
  }
}
