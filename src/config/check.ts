/** `certplane check`: the problems of the file, and what around it would get in the way. Changes nothing. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import type { FilesOutput } from '../core/certificate.ts';
import type { ListenAddress } from '../core/route.ts';
import { listenersOf } from './admin.ts';
import { loadLocated, type LoadOptions, type LoadResult } from './load.ts';
import type { Config } from './model.ts';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { formatListen } from './values/addresses.ts';

export interface CheckOptions extends LoadOptions {
  /** Also opens every address for a moment; fails for those of a Certplane that runs. */
  readonly listen: boolean;
}

/** Everything `loadConfig` finds, then warnings about the surroundings, then, with `listen`, addresses. Never throws. */
export async function checkConfig(options: CheckOptions): Promise<LoadResult> {
  const { config, problems } = await loadLocated(options);
  if (config !== undefined) {
    await checkKey(config, options.env, problems);
    await checkDirectory(config.dataDir, ['dataDir'], 'the data directory', problems);
    await checkOutputs(config, options.env, problems);
    if (options.listen) await checkAddresses(config, problems);
  }
  return { ...(config === undefined ? {} : { config }), problems: problems.sorted() };
}

/** The names are those of the store, which reads the key. */
async function checkKey({ dataDir }: Config, env: NodeJS.ProcessEnv, problems: ProblemList): Promise<void> {
  if ((env['CERTPLANE_ENCRYPTION_KEY_FILE'] ?? '') !== '') return;
  const credentials = env['CREDENTIALS_DIRECTORY'];
  if (credentials !== undefined && (await exists(join(credentials, 'certplane-encryption-key')))) return;
  problems.warning(
    ['dataDir'],
    `The encryption key is a generated file in ${dataDir}: it guards copies of the database, but not of the whole ` +
      'directory. Set CERTPLANE_ENCRYPTION_KEY_FILE, or a systemd credential, to keep it elsewhere.',
  );
}

async function checkOutputs({ certificates }: Config, env: NodeJS.ProcessEnv, problems: ProblemList): Promise<void> {
  const programs = new Map<string, boolean>();
  for (const { id, outputs } of certificates) {
    for (const [i, output] of outputs.entries()) {
      if (output.kind !== 'files') continue;
      const path = ['certificates', id.slice('file/'.length), 'outputs', i];
      await checkDirectory(output.directory, [...path, 'files', 'directory'], 'the output directory', problems);
      await checkProgram(output, { path: [...path, 'reloadCommand'], env, programs }, problems);
    }
  }
}

async function checkProgram(
  { reloadCommand }: FilesOutput,
  { path, env, programs }: { path: Path; env: NodeJS.ProcessEnv; programs: Map<string, boolean> },
  problems: ProblemList,
): Promise<void> {
  const program = reloadCommand?.[0];
  if (program === undefined) return;
  const known = programs.get(program) ?? (await isRunnable(program, env));
  programs.set(program, known);
  if (!known) problems.warning(path, `There is no program ${program} that this user may run; write its full path.`);
}

async function isRunnable(program: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const places = program.includes('/')
    ? [program]
    : (env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, program));
  for (const place of places) if (await allowed(place, constants.X_OK)) return true;
  return false;
}

/** Whether the directory can be written, or be made where it does not exist yet. */
async function checkDirectory(directory: string, path: Path, what: string, problems: ProblemList): Promise<void> {
  let existing = directory;
  while (!(await exists(existing)) && dirname(existing) !== existing) existing = dirname(existing);
  if (!(await stat(existing)).isDirectory()) {
    problems.warning(
      path,
      `${existing} is not a directory, so ${what} ${directory} cannot be used; write another path.`,
    );
  } else if (!(await allowed(existing, constants.W_OK | constants.X_OK))) {
    const message = `This user may not write to ${existing}, so ${what} ${directory} cannot be used; change its owner, or write another path.`;
    problems.warning(path, message);
  }
}

async function checkAddresses(config: Config, problems: ProblemList): Promise<void> {
  const { admin, metrics, terminator } = config;
  for (const { path, listen } of listenersOf({ admin: admin.listen, metrics: metrics?.listen, terminator })) {
    const code = await tryListen(listen);
    if (code === undefined) continue;
    const address = formatListen(listen);
    problems.error(path, `${address} cannot be opened: ${listenReason(code)}`);
  }
}

function listenReason(code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program has it open; stop that one, or write another port.';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not open it; write a port from 1024 on, or grant CAP_NET_BIND_SERVICE.';
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return 'this machine does not have that address; write 127.0.0.1, 0.0.0.0 or another of its own.';
    default:
      return `the system says ${code}.`;
  }
}

/** The system's error code, or undefined when it could be opened. */
async function tryListen({ host, port }: ListenAddress): Promise<string | undefined> {
  const server = createServer();
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, exclusive: true }, () => resolve(undefined));
  });
  if (failure !== undefined) return failure.code ?? failure.message;
  await new Promise((resolve) => server.close(resolve));
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return await allowed(path, constants.F_OK);
}

async function allowed(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false; // whatever the reason: it cannot be used like that
  }
}
