/** `certplane doctor`: the checks of the installation, in the order of the flow. */
import type { Command } from 'commander';
import type { Doctor } from '../api/contract/overview.ts';
import type { ConfigProblem } from '../config/model.ts';
import { CertplaneError, hasCode } from '../core/errors.ts';
import { adviceFor } from '../explain/advice.ts';
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

/** What can be looked at from here: the file, the state on the disk, and the places that are written to. */
async function withoutControl(context: Context, { code, message }: CertplaneError): Promise<CheckResult[]> {
  const advice = adviceFor('process.control-unreachable') ?? null;
  const control = { link: 'state', title: 'Control process', verdict: 'problem', code, message, advice } as const;
  if (code === 'config.not-found') return [{ ...control, link: 'config', title: 'Configuration file', advice: null }];
  const { stateChecks } = await import('./state-checks.ts');
  const { file, outputs } = await configChecks(context);
  const state = await stateChecks(await context.dataDir(), context.io.env, context.io.interrupted());
  return [file, control, ...state, ...outputs];
}

async function configChecks(context: Context): Promise<{ file: CheckResult; outputs: CheckResult[] }> {
  const about = { link: 'config', title: 'Configuration file' } as const;
  try {
    const file = await context.configFile();
    const { checkConfig } = await import('../config/check.ts');
    const { configInvalid } = await import('../config/problems.ts');
    const { ownerProblems } = await import('./owner-problem.ts');
    const { env } = context.io;
    const ownerProblem = await ownerProblems();
    const options = { file, env, dataDir: context.dataDirOption, listen: false, ownerProblem };
    const { config, problems } = await checkConfig(options);
    if (config === undefined) {
      const advice = 'Correct the file; "certplane check" shows every problem.';
      const { code, message } = configInvalid(file, problems);
      return { file: { ...about, verdict: 'problem', code, message, advice }, outputs: [] };
    }
    const ofOutputs = problems.filter(({ path }) => path.includes('.outputs['));
    // Errors of the surroundings are those of other checks here.
    const found = problems.filter(({ severity }) => severity === 'warning').length;
    const warnings = found === 0 ? '' : ` with ${plural(found, 'warning')} ("certplane check" shows them)`;
    return {
      file: { ...about, verdict: 'ok', code: 'ok', message: `${file} is valid${warnings}.`, advice: null },
      outputs: config.certificates.some(({ outputs }) => outputs.length > 0) ? [outputsCheck(ofOutputs)] : [],
    };
  } catch (error) {
    if (!(error instanceof CertplaneError)) throw error;
    const { code, message } = error;
    return { file: { ...about, verdict: 'problem', code, message, advice: null }, outputs: [] };
  }
}

function outputsCheck(problems: readonly ConfigProblem[]): CheckResult {
  const about = { link: 'delivery', title: 'Outputs' } as const;
  const [first] = problems;
  if (first === undefined) {
    const message = 'Their directories can be written, and their reload programs are there.';
    return { ...about, verdict: 'ok', code: 'ok', message, advice: null };
  }
  const others = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
  const advice = 'It is judged for the user that runs this command; "certplane check" shows all of them.';
  const message = `${first.path}: ${first.message}${others}`;
  return { ...about, verdict: 'problem', code: 'output.path-unusable', message, advice };
}
