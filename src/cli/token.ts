/** `certplane token`: credentials for the API from elsewhere. */
import { type Command, Option } from 'commander';
import type { Token } from '../api/contract/overview.ts';
import type { CreatedToken, TokenList } from '../api/contract/requests.ts';
import { parseDuration } from '../core/duration.ts';
import type { Context, Run } from './context.ts';
import { exitCodes, usageError, type ExitCode } from './failure.ts';
import { urlOption } from './list.ts';
import { clean, table, when, whenShort } from './text.ts';

interface CreateFlags {
  readonly role: string;
  readonly expires?: string;
}

export function addToken(program: Command, run: Run): void {
  const token = program
    .command('token')
    .summary('create, list and revoke API tokens')
    .description('Credentials for the API and the admin page from elsewhere; only their hashes are kept.');
  token
    .command('create')
    .argument('<label>', 'what it is for')
    .description('Creates a token and prints it, this once.')
    .addOption(new Option('--role <role>', 'what it may do').choices(['admin', 'viewer']).default('viewer'))
    .option('--expires <duration>', 'how long it is good for, for example 90d; without it, until it is revoked')
    .addOption(urlOption())
    .action(async (label: string, flags: CreateFlags, command: Command) => {
      await run(command, async (context) => await create(context, label, flags));
    });
  token
    .command('list')
    .description('Lists tokens; never the tokens themselves.')
    .addOption(urlOption())
    .action(async (_options: object, command: Command) => await run(command, list));
  token
    .command('revoke')
    .argument('<id>', 'its id, as "token list" shows it')
    .description('Revokes a token, and ends the sessions opened with it.')
    .addOption(urlOption())
    .action(async (id: string, _options: object, command: Command) => {
      await run(command, async (context) => await revoke(context, id));
    });
}

async function create(context: Context, label: string, { role, expires }: CreateFlags): Promise<ExitCode> {
  if (label.trim() === '' || label.trim().length > 100)
    throw usageError('The label is text of 1 to 100 characters that says what the token is for, such as "ci".');
  const ttlMs = expires === undefined ? undefined : parseDuration(expires);
  if (expires !== undefined && (ttlMs === undefined || ttlMs < 60_000)) {
    throw usageError(`--expires is a duration of at least a minute, such as 90d, not "${expires}".`);
  }
  const api = await context.api();
  const body = { label, role, ...(ttlMs === undefined ? {} : { ttlMs }) };
  const created = await api.post<CreatedToken>('/tokens', body, { signal: context.io.interrupted() });
  if (context.json) context.outJson(created);
  else {
    // The token alone on standard output, so that TOKEN=$(certplane token create …) works.
    context.out(`${created.token}\n`);
    const until = created.expiresAt === null ? 'until it is revoked' : `until ${when(created.expiresAt, context.io)}`;
    context.note(`Token ${clean(created.id)} (${created.role}) is good ${until}. It is not shown again.\n`);
  }
  return exitCodes.ok;
}

async function list(context: Context): Promise<ExitCode> {
  const api = await context.api();
  const { items } = await api.get<TokenList>('/tokens', { signal: context.io.interrupted() });
  if (context.json) context.outJson({ items });
  else if (items.length === 0) context.out('No tokens.\n');
  else {
    const head = ['ID', 'LABEL', 'ROLE', 'CREATED', 'EXPIRES', 'LAST USED'];
    context.out(
      table(
        head,
        items.map((one) => row(one, context)),
        context.paint,
      ),
    );
  }
  return exitCodes.ok;
}

function row({ id, label, role, createdAt, expiresAt, lastUsedAt }: Token, { io }: Context) {
  const expires = expiresAt === null ? 'never' : whenShort(expiresAt, io);
  const used = lastUsedAt === null ? 'never' : whenShort(lastUsedAt, io);
  return [id, label, role, whenShort(createdAt, io), expires, used].map((text) => ({ text }));
}

async function revoke(context: Context, id: string): Promise<ExitCode> {
  const api = await context.api();
  await api.delete(`/tokens/${encodeURIComponent(id)}`, { signal: context.io.interrupted() });
  if (context.json) context.outJson({ id, revoked: true });
  else context.out(`Token ${clean(id)} is revoked.\n`);
  return exitCodes.ok;
}
