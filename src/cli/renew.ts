/** `certplane renew`: ask for a renewal now, and with --wait follow it to its end. */
import type { Command } from 'commander';
import { parseDuration } from '../core/duration.ts';
import { certificatePath, findCertificate } from './certificates.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, usageError, type ExitCode } from './failure.ts';
import { followRenewal } from './follow.ts';
import { urlOption } from './list.ts';
import { createProgress } from './progress.ts';
import { clean, when } from './text.ts';

interface RenewFlags {
  readonly wait?: boolean;
  readonly timeout: string;
}

export function addRenew(program: Command, run: Run): void {
  program
    .command('renew')
    .argument('<certificate>', 'id, name or host')
    .summary('renew a certificate now')
    .description('Asks for a renewal now. What is served stays until the new version is there.')
    .option('-w, --wait', 'follow it to the end; exit 1 when it fails')
    .option('--timeout <duration>', 'with --wait: give up watching after this long', '15m')
    .addOption(urlOption())
    .action(async (wanted: string, flags: RenewFlags, command: Command) => {
      await run(command, async (context) => await renew(context, wanted, flags));
    });
}

async function renew(context: Context, wanted: string, { wait = false, timeout }: RenewFlags): Promise<ExitCode> {
  const timeoutMs = parseDuration(timeout);
  if (timeoutMs === undefined || timeoutMs === 0)
    throw usageError(`--timeout is a duration such as 90s or 15m, not "${timeout}".`);
  const signal = context.io.interrupted();
  const api = await context.api();
  const before = await findCertificate(api, wanted, { signal });
  const accepted = await api.post(`${certificatePath(before.id)}/renew`, {}, { signal });
  if (!wait) {
    if (context.json) context.outJson(accepted);
    else
      context.out(
        `Renewal of ${clean(before.id)} is under way; "certplane show ${clean(before.id)}" shows how far it is.\n`,
      );
    return exitCodes.ok;
  }
  using progress = createProgress(context);
  const after = await followRenewal(api, before, { signal, timeoutMs, onProgress: (text) => progress.show(text) });
  progress.end();
  if (context.json) context.outJson(after);
  else
    context.out(
      `${clean(after.id)} is renewed: serial ${clean(after.serial ?? '-')}, valid until ${when(after.notAfter, context.io)}.\n`,
    );
  if (after.delivery.state !== 'failed') return exitCodes.ok;
  context.note(`${context.paint('bad', 'Delivery failed')}: ${clean(after.delivery.reason.message)}\n`);
  return exitCodes.problem;
}
