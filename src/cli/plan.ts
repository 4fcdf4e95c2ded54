/** `certplane plan`: what would be issued or renewed, when and why. */
import type { Command } from 'commander';
import type { Certificate } from '../api/contract/certificates.ts';
import { parseDuration } from '../core/duration.ts';
import { hasCode } from '../core/errors.ts';
import { allCertificates } from './certificates.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, usageError, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { clean, plural, table, when, type Tone } from './text.ts';

interface PlanFlags {
  readonly within?: string;
  readonly file?: boolean;
}

export function addPlan(program: Command, run: Run): void {
  program
    .command('plan')
    .summary('show what would be issued or renewed, when and why')
    .description(
      'Shows what will be issued or renewed, when and why: what the running control process plans, or, when none runs, what one would do with the configuration file and the state on the disk.',
    )
    .option('--within <duration>', 'only what is due within this time, for example 7d')
    .option('--file', 'also where one runs: what it would do with the configuration file as it is now')
    .addOption(urlOption())
    .action(async (flags: PlanFlags, command: Command) => {
      await run(command, async (context) => await plan(context, flags));
    });
}

async function plan(context: Context, { within, file = false }: PlanFlags): Promise<ExitCode> {
  const withinMs = within === undefined ? Infinity : parseDuration(within);
  if (withinMs === undefined) throw usageError(`--within is a duration such as 12h or 7d, not "${within}".`);
  const remote = context.options.url !== undefined;
  if (file && remote) throw usageError('--file reads the configuration file of this machine; leave --url out.');
  if (file) return await planFromFile(context, { withinMs, running: true });
  const api = await context.api();
  try {
    const { items } = await allCertificates(api, { sort: 'name' }, { signal: context.io.interrupted() });
    return printPlan(items, withinMs, context);
  } catch (error) {
    if (!hasCode(error, 'process.control-unreachable') || remote) throw error;
    return await planFromFile(context, { withinMs, running: false });
  }
}

function printPlan(all: readonly Certificate[], withinMs: number, context: Context): ExitCode {
  const planned = soonest(all, withinMs, context);
  if (context.json) {
    const items = planned.map(({ id, names, nextAction, nextActionAt, nextActionReason }) => ({
      id,
      names,
      nextAction,
      nextActionAt,
      nextActionReason,
    }));
    context.outJson({ source: 'control', items });
  } else printTable(planned, context);
  const idle = all.length - planned.length;
  context.note(
    `From the running control process: ${plural(planned.length, 'action')}, nothing to do for ${plural(idle, 'certificate')}.\n`,
  );
  return exitCodes.ok;
}

/** What `plan` shows of a certificate. */
interface Action {
  readonly id: string;
  readonly nextAction: Certificate['nextAction'] | 'remove';
  readonly nextActionAt: string | null;
  readonly nextActionReason: { readonly message: string };
}

function soonest<T extends Action>(all: readonly T[], withinMs: number, { io }: Context): T[] {
  return all
    .filter((one) => one.nextAction !== 'none' && due(one) <= io.now() + withinMs)
    .toSorted((a, b) => due(a) - due(b));
}

function printTable(planned: readonly Action[], context: Context): void {
  const { io, paint } = context;
  if (planned.length === 0) return context.out('Nothing is planned.\n');
  const rows = planned.map((one) => [
    { text: one.nextActionAt === null ? 'now' : when(one.nextActionAt, io) },
    { text: one.nextAction, tone: tones[one.nextAction] ?? ('plain' as const) },
    { text: one.id },
    { text: one.nextActionReason.message },
  ]);
  context.out(table(['WHEN', 'WHAT', 'CERTIFICATE', 'WHY'], rows, paint));
}

const tones: Partial<Record<Action['nextAction'], Tone>> = { retry: 'warn', remove: 'warn' };

/** What waits only for a free slot is due now. */
function due({ nextActionAt }: Pick<Action, 'nextActionAt'>): number {
  return nextActionAt === null ? 0 : Date.parse(nextActionAt);
}

/** From the file and the state on the disk, whether or not a control process runs. */
async function planFromFile(context: Context, { withinMs, running }: { withinMs: number; running: boolean }) {
  const { loadConfig } = await import('../config/load.ts');
  const { configInvalid } = await import('../config/problems.ts');
  const { preview } = await import('./preview.ts');
  const { io } = context;
  const file = await context.configFile();
  const { config, problems } = await loadConfig({ file, env: io.env, dataDir: context.dataDirOption });
  if (config === undefined) throw configInvalid(file, problems);
  const { items, refusal, hasState } = await preview({ config, env: io.env, now: io.now() }, io.interrupted());
  const rows = items.map(({ id, names, issuers, action, at, reason }) => ({
    id,
    names,
    issuers,
    nextAction: action,
    nextActionAt: at === undefined ? null : new Date(at).toISOString(),
    nextActionReason: reason,
  }));
  const planned = soonest(rows, withinMs, context);
  if (context.json) {
    context.outJson({ source: 'config', file, items: planned, refusal: refusal ?? null });
    return exitCodes.ok;
  }
  printTable(planned, context);
  const state = hasState ? '' : ' Nothing has been issued yet.';
  context.note(
    `From ${file}${running ? '; "certplane reload" applies it' : '; no control process is running'}: ` +
      `${plural(planned.length, 'action')}, nothing to do for ${plural(rows.length - planned.length, 'certificate')}.${state}\n`,
  );
  if (refusal !== undefined) context.note(`${context.paint('warn', 'Note')}: ${clean(refusal)}\n`);
  return exitCodes.ok;
}
