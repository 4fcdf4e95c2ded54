/** `certplane show`: one certificate, and why it is as it is. */
import type { Command } from 'commander';
import type { CertificateDetail } from '../api/contract/certificates.ts';
import { findCertificate } from './certificates.ts';
import type { Context, Run } from './context.ts';
import { exitCodes } from './failure.ts';
import { nextText, urlOption } from './list.ts';
import { deliveryCell, phaseCell, verdictCell } from './state-cells.ts';
import { clean, cleanLines, facts, table, when, whenShort, type Cell, type Tone } from './text.ts';

const urgencyTones: Readonly<Record<CertificateDetail['urgency'], Tone>> = {
  none: 'good',
  attention: 'warn',
  critical: 'bad',
};

export function addShow(program: Command, run: Run): void {
  program
    .command('show')
    .argument('<certificate>', 'id, name or host')
    .summary('show one certificate and why it is as it is')
    .description('Shows one certificate: its state, the reason chain, where it is delivered and who serves it.')
    .option('--pem', 'print the chain as PEM, and nothing else')
    .addOption(urlOption())
    .action(async (wanted: string, { pem = false }: { pem?: boolean }, command: Command) => {
      await run(command, async (context) => {
        const api = await context.api();
        const detail = await findCertificate(api, wanted, { signal: context.io.interrupted() });
        if (context.json) context.outJson(detail);
        else if (pem) context.out(detail.chainPem ?? '');
        else context.out(describe(detail, context));
        return exitCodes.ok;
      });
    });
}

function describe(detail: CertificateDetail, context: Context): string {
  const { paint } = context;
  const heading = paint('strong', clean(detail.id)) + (detail.name === detail.id ? '' : `  ${clean(detail.name)}`);
  const sections = [
    `${heading}\n${paint(urgencyTones[detail.urgency], clean(detail.sentence))}\n`,
    stateSection(detail, context),
    checksSection(detail, context),
    outputsSection(detail, context),
    servedSection(detail, context),
    attemptsSection(detail, context),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

function stateSection(detail: CertificateDetail, { paint, io }: Context): string {
  const serial =
    detail.serial === null ? '-' : `${detail.serial}${detail.version === null ? '' : ` (version ${detail.version})`}`;
  const pairs: (readonly [string, Cell | string])[] = [
    ['names', detail.names.join(', ')],
    ['phase', { ...phaseCell(detail), text: `${detail.phase.state}: ${detail.phase.reason.message}` }],
    [
      'delivery',
      { ...deliveryCell(detail.delivery.state), text: `${detail.delivery.state}: ${detail.delivery.reason.message}` },
    ],
    ['next', `${nextText(detail, io)}: ${detail.nextActionReason.message}`],
    ['valid from', when(detail.notBefore, io)],
    ['valid until', when(detail.notAfter, io)],
    ['renewal', when(detail.renewAt, io)],
    ['issuer', detail.issuer ?? `- (wanted: ${detail.issuers.join(', ')})`],
    ['key', detail.key ?? '-'],
    ['serial', serial],
    ['sha-256', detail.fingerprint256 ?? '-'],
  ];
  if (detail.managed.state !== 'managed')
    pairs.push(['managed', `${detail.managed.state}: ${detail.managed.reason.message}`]);
  return facts(pairs, paint);
}

function checksSection({ checks }: CertificateDetail, { paint }: Context): string {
  if (checks.length === 0) return '';
  return `${paint('strong', 'Why')}\n${checkLines(checks, paint)}`;
}

/** Each check, with what its message goes on with and its advice below. */
export function checkLines(checks: CertificateDetail['checks'], paint: Context['paint']): string {
  const lines = checks.map(({ title, verdict, code, message, advice }) => {
    const { text, tone = 'plain' } = verdictCell(verdict);
    const shownCode = verdict === 'problem' ? paint('dim', ` [${clean(code)}]`) : '';
    const [first = '', ...more] = cleanLines(message).split('\n');
    const below = [...more, ...(advice === null ? [] : [clean(advice)])].filter((line) => line.trim() !== '');
    const rest = below.map((line) => `\n      ${line}`).join('');
    return `  ${paint(tone, text)} ${clean(title)}: ${first}${shownCode}${rest}\n`;
  });
  return lines.join('');
}

function outputsSection({ outputs }: CertificateDetail, { paint, io }: Context): string {
  if (outputs.length === 0) return '';
  const rows = outputs.map(({ target, state, version, at, reason }) => [
    { text: target },
    deliveryCell(state),
    { text: version === null ? '-' : String(version) },
    { text: whenShort(at, io) },
    { text: reason.message },
  ]);
  return `${paint('strong', 'Outputs')}\n${table(['TARGET', 'STATE', 'VERSION', 'SINCE', ''], rows, paint)}`;
}

function servedSection({ servedBy }: CertificateDetail, { paint, io }: Context): string {
  if (servedBy.length === 0) return '';
  const rows = servedBy.map(({ terminator, connected, serial, since, source, upToDate }): Cell[] => [
    { text: terminator },
    connected ? { text: 'connected', tone: 'good' } : { text: 'gone', tone: 'warn' },
    { text: serial, tone: upToDate ? 'good' : 'warn' },
    { text: whenShort(since, io) },
    { text: source },
  ]);
  return `${paint('strong', 'Served by')}\n${table(['TERMINATOR', '', 'SERIAL', 'SINCE', 'SOURCE'], rows, paint)}`;
}

function attemptsSection({ progress, failures, lastFailure }: CertificateDetail, { paint, io }: Context): string {
  const pairs: (readonly [string, Cell | string])[] = [];
  if (progress !== null) {
    const wait = progress.waitUntil === null ? '' : `, next step ${whenShort(progress.waitUntil, io)}`;
    pairs.push([
      'under way',
      `${progress.step} at ${progress.issuer}, started ${whenShort(progress.startedAt, io)}${wait}`,
    ]);
  }
  if (lastFailure !== null) {
    const at = lastFailure.issuer === null ? '' : ` at ${lastFailure.issuer}`;
    pairs.push(['failures', `${failures} in a row`]);
    pairs.push([
      'last',
      { text: `${when(lastFailure.at, io)}${at}: ${lastFailure.message} [${lastFailure.code}]`, tone: 'bad' },
    ]);
    const { problem } = lastFailure;
    if (problem !== null) pairs.push(['the CA says', problem.detail ?? problem.type]);
    for (const sub of problem?.subproblems ?? []) {
      pairs.push([sub.identifier ?? '', sub.detail ?? sub.type]);
    }
  }
  return pairs.length === 0 ? '' : `${paint('strong', 'Attempts')}\n${facts(pairs, paint)}`;
}
