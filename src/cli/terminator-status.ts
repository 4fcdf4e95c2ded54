/** `certplane terminator status`: what the terminators do right now, as the control process knows it. */
import type { Command } from 'commander';
import type { Terminator } from '../api/contract/overview.ts';
import { aboutSubject } from '../explain/finding.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { clean, facts, plural, table, when, whenShort, type Cell, type Tone } from './text.ts';

type Endpoint = NonNullable<Terminator['backends']>[number];

const endpointTones: Readonly<Record<Endpoint['state'], Tone>> = {
  healthy: 'good',
  unhealthy: 'bad',
  ejected: 'bad',
  unresolved: 'warn',
};

export function addTerminatorStatus(terminator: Command, run: Run): void {
  terminator
    .command('status')
    .summary('show what the terminators do right now')
    .description(
      'Shows the terminators: listeners, workers, certificates served, backends and problems. Exits 1 when none is connected.',
    )
    .addOption(urlOption())
    .action(async (_options: object, command: Command) => await run(command, status));
}

async function status(context: Context): Promise<ExitCode> {
  const api = await context.api();
  const { items } = await api.get<{ items: readonly Terminator[] }>('/terminators', {
    signal: context.io.interrupted(),
  });
  if (context.json) context.outJson({ items });
  else if (items.length === 0) context.out('No terminator has connected to this control process.\n');
  else context.out(items.map((one) => describe(one, context)).join('\n'));
  return items.some(({ connected }) => connected) ? exitCodes.ok : exitCodes.problem;
}

function describe(one: Terminator, context: Context): string {
  const { paint } = context;
  const sections = [
    `${paint('strong', clean(one.id))}  ${stateText(one, context)}\n${overview(one, context)}`,
    workers(one, context),
    backends(one, context),
    problems(one, context),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

function stateText({ connected, upToDate }: Terminator, { paint }: Context): string {
  if (!connected) return paint('bad', 'not connected');
  return upToDate ? paint('good', 'connected, up to date') : paint('warn', 'connected, catching up');
}

function overview(one: Terminator, { io, paint }: Context): string {
  const { acknowledged, current, listening } = one;
  return facts(
    [
      [one.connected ? 'connected' : 'last seen', when(one.since, io)],
      ['listening', listening.length === 0 ? 'nowhere' : listening.join(', ')],
      ['serving', plural(one.served, 'certificate')],
      ['revision', acknowledged === current ? current : `${acknowledged ?? 'none'} of ${current}`],
    ],
    paint,
  );
}

function workers({ workers: all }: Terminator, { io, paint }: Context): string {
  if (all.length === 0) return '';
  const rows = all.map(({ pid, startedAt, connections }): readonly Cell[] => [
    { text: String(pid) },
    { text: whenShort(startedAt, io) },
    { text: String(connections) },
  ]);
  return table(['WORKER', 'STARTED', 'CONNECTIONS'], rows, paint);
}

function backends({ backends: all }: Terminator, { paint }: Context): string {
  if (all === null || all.length === 0) return '';
  const rows = all.map(({ backend, endpoint, state, open, requests }): readonly Cell[] => [
    { text: backend },
    { text: endpoint },
    { text: state, tone: endpointTones[state] },
    { text: String(open) },
    { text: String(requests) },
  ]);
  return table(['BACKEND', 'ENDPOINT', 'STATE', 'OPEN', 'REQUESTS'], rows, paint);
}

function problems({ problems: all }: Terminator, { io, paint }: Context): string {
  return all
    .map(({ code, message, subject, since }) => {
      const sentence = clean(aboutSubject(subject, message));
      return `${paint('bad', '✗')} ${sentence} ${paint('dim', `[${clean(code)}, since ${whenShort(since, io)}]`)}\n`;
    })
    .join('');
}
