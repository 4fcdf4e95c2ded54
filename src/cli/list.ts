/** `certplane list`: certificates with their states. */
import { type Command, Option } from 'commander';
import type { Certificate } from '../api/contract/certificates.ts';
import { allCertificates } from './certificates.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, usageError, type ExitCode } from './failure.ts';
import { deliveryCell, managedText, phaseCell } from './state-cells.ts';
import { plural, table, whenShort, type Cell } from './text.ts';

interface ListFlags {
  readonly phase?: string;
  readonly query?: string;
  readonly issuer?: string;
  readonly sort?: string;
  readonly attention?: boolean;
  readonly limit?: string;
}

/** As in the contract, which is not loaded here: it would bring zod along. */
const phases: readonly Certificate['phase']['state'][] = [
  'pending',
  'issuing',
  'ready',
  'renewing',
  'failing',
  'expired',
];
const sorts = ['urgency', 'name', '-name', 'notAfter', '-notAfter', 'renewAt', '-renewAt'];

export function addList(program: Command, run: Run): void {
  program
    .command('list')
    .summary('list certificates')
    .description('Lists certificates with their states, most urgent first.')
    .option('-q, --query <text>', 'only those with this text in name, id, issuer or serial')
    .addOption(new Option('--phase <phase>', 'only those in this phase').choices(phases))
    .option('--issuer <name>', 'only those of this issuer: of the version in use, or asked first for the next')
    .option('--attention', 'only those that need a person')
    .addOption(new Option('--sort <order>', 'order').choices(sorts).default('urgency'))
    .option('--limit <number>', 'at most this many')
    .addOption(urlOption())
    .action(async (flags: ListFlags, command: Command) => {
      await run(command, async (context) => await list(context, flags));
    });
}

/** For commands that talk to the control process. */
export function urlOption(): Option {
  return new Option('--url <url>', 'admin page of another machine, with a token in CERTPLANE_TOKEN');
}

async function list(
  context: Context,
  { phase, query, issuer, sort = 'urgency', attention, limit }: ListFlags,
): Promise<ExitCode> {
  const most = limit === undefined ? Infinity : Number(limit);
  if (!(most >= 1) || (limit !== undefined && !/^\d{1,9}$/.test(limit))) {
    throw usageError(`--limit is a number from 1 on, not "${limit}".`);
  }
  const api = await context.api();
  const { items, total } = await allCertificates(
    api,
    {
      sort,
      ...(phase === undefined ? {} : { phase }),
      ...(query === undefined ? {} : { q: query }),
      ...(issuer === undefined ? {} : { issuer }),
      ...(attention === true ? { attention: 'true' } : {}),
    },
    { signal: context.io.interrupted(), limit: most },
  );
  if (context.json) context.outJson({ items, total });
  else if (items.length === 0) context.out('No certificates.\n');
  else {
    context.out(
      table(
        ['ID', 'PHASE', 'DELIVERY', 'EXPIRES', 'NEXT', ''],
        items.map((one) => row(one, context)),
        context.paint,
      ),
    );
    const more = total > items.length ? ` of ${total}` : '';
    const need = items.filter(({ urgency }) => urgency !== 'none').length;
    context.note(`${plural(items.length, 'certificate')}${more}${need === 0 ? '' : `, ${need} needing attention`}\n`);
  }
  return exitCodes.ok;
}

function row(one: Certificate, { io }: Context): readonly Cell[] {
  const critical = one.urgency === 'critical';
  return [
    { text: one.id },
    phaseCell(one),
    deliveryCell(one.delivery.state),
    { text: whenShort(one.notAfter, io), tone: critical ? 'bad' : 'plain' },
    { text: nextText(one, io) },
    { text: one.urgency === 'none' ? managedText(one) : one.sentence, tone: critical ? 'bad' : 'warn' },
  ];
}

/** `renew in 3d 4h`, `issue now`, or a dash. */
export function nextText({ nextAction, nextActionAt }: Certificate, io: Context['io']): string {
  if (nextAction === 'none') return '-';
  return `${nextAction} ${nextActionAt === null ? 'now' : whenShort(nextActionAt, io)}`;
}
