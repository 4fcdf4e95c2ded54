/** `certplane plan`: what would be issued or renewed, when and why. */
import type { Command } from 'commander';
import type { Certificate } from '../api/contract/certificates.ts';
import type { CertificateSpec } from '../core/certificate.ts';
import { formatDuration, parseDuration } from '../core/duration.ts';
import { hasCode } from '../core/errors.ts';
import { allCertificates } from './certificates.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, usageError, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { plural, table, when } from './text.ts';

export function addPlan(program: Command, run: Run): void {
  program
    .command('plan')
    .summary('show what would be issued or renewed, when and why')
    .description(
      'Shows what will be issued or renewed, when and why: what the running control process plans, or, when none runs, what the configuration file asks for.',
    )
    .option('--within <duration>', 'only what is due within this time, for example 7d')
    .addOption(urlOption())
    .action(async ({ within }: { within?: string }, command: Command) => {
      await run(command, async (context) => await plan(context, within));
    });
}

async function plan(context: Context, within: string | undefined): Promise<ExitCode> {
  const withinMs = within === undefined ? Infinity : parseDuration(within);
  if (withinMs === undefined) throw usageError(`--within is a duration such as 12h or 7d, not "${within}".`);
  const api = await context.api();
  try {
    const { items } = await allCertificates(api, { sort: 'name' }, { signal: context.io.interrupted() });
    return printPlan(items, withinMs, context);
  } catch (error) {
    if (!hasCode(error, 'process.control-unreachable') || context.options.url !== undefined) throw error;
    return await planFromFile(context);
  }
}

function printPlan(all: readonly Certificate[], withinMs: number, context: Context): ExitCode {
  const { io, paint } = context;
  const planned = all
    .filter((one) => one.nextAction !== 'none' && due(one) <= io.now() + withinMs)
    .toSorted((a, b) => due(a) - due(b));
  if (context.json) {
    const items = planned.map(({ id, names, nextAction, nextActionAt, nextActionReason }) => ({
      id,
      names,
      nextAction,
      nextActionAt,
      nextActionReason,
    }));
    context.outJson({ source: 'control', items });
  } else if (planned.length === 0) context.out('Nothing is planned.\n');
  else {
    const rows = planned.map((one) => [
      { text: one.nextActionAt === null ? 'now' : when(one.nextActionAt, io) },
      { text: one.nextAction, tone: one.nextAction === 'retry' ? ('warn' as const) : ('plain' as const) },
      { text: one.id },
      { text: one.nextActionReason.message },
    ]);
    context.out(table(['WHEN', 'WHAT', 'CERTIFICATE', 'WHY'], rows, paint));
  }
  const idle = all.length - planned.length;
  context.note(
    `From the running control process: ${plural(planned.length, 'action')}, nothing to do for ${plural(idle, 'certificate')}.\n`,
  );
  return exitCodes.ok;
}

/** What waits only for a free slot is due now. */
function due({ nextActionAt }: Certificate): number {
  return nextActionAt === null ? 0 : Date.parse(nextActionAt);
}

/** Without the state there is no telling what is issued already. */
async function planFromFile(context: Context): Promise<ExitCode> {
  const { loadConfig } = await import('../config/load.ts');
  const { configInvalid } = await import('../config/problems.ts');
  const file = await context.configFile();
  const { config, problems } = await loadConfig({ file, env: context.io.env, dataDir: context.dataDirOption });
  if (config === undefined) throw configInvalid(file, problems);
  const { certificates } = config;
  if (context.json) {
    context.outJson({
      source: 'config',
      file,
      items: certificates.map(({ id, dnsNames, issuers }) => ({ id, names: dnsNames, issuers })),
    });
    return exitCodes.ok;
  }
  const rows = certificates.map((one) => [
    { text: one.id },
    { text: one.dnsNames.join(', ') },
    { text: one.issuers.join(', then ') },
    { text: wanted(one) },
  ]);
  if (rows.length > 0) context.out(table(['CERTIFICATE', 'NAMES', 'FROM', 'KEY'], rows, context.paint));
  context.note(
    `No control process is running: this is what ${file} asks for (${plural(certificates.length, 'certificate')}). ` +
      'What is not there yet is issued when one starts; the rest is renewed at 2/3 of its lifetime, or 1/2 under 10 days.\n',
  );
  return exitCodes.ok;
}

function wanted({ key, lifetimeMs }: CertificateSpec): string {
  const name = key.algorithm === 'rsa' ? `RSA ${key.size}` : `ECDSA P-${key.size}`;
  return lifetimeMs === undefined ? name : `${name}, for ${formatDuration(lifetimeMs)}`;
}
