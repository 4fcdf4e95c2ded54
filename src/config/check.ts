/** `certplane check`: the problems of the file, and what around it would get in the way. Changes nothing. */
import { constants } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import type { FilesOutput } from '../core/certificate.ts';
import { credentialsVariable, keyCredential, keyFileVariable } from '../core/key-names.ts';
import { formatAddress } from '../core/listen-address.ts';
import type { ListenAddress } from '../core/terminator.ts';
import { listenersOf } from './admin.ts';
import { loadLocated, type LoadOptions, type LoadResult } from './load.ts';
import type { Config } from './model.ts';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { checkKubernetes } from './check-kubernetes.ts';
import { checkFiles, checkTerminator } from './check-terminator.ts';
import { allowed, checkDirectory, exists } from './surroundings.ts';

export interface CheckOptions extends LoadOptions {
  /** Also opens every address for a moment; fails for those of a Certplane that runs. */
  readonly listen: boolean;
  /** What is wrong with the owner and group of an output on this machine; undefined when nothing is. */
  readonly ownerProblem?: (output: FilesOutput) => Promise<string | undefined>;
}

/** Everything `loadConfig` finds, then warnings about the surroundings, then, with `listen`, addresses. Never throws. */
export async function checkConfig(options: CheckOptions): Promise<LoadResult> {
  const { config, problems, files, restartNeeded } = await loadLocated(options);
  await checkFiles(files, problems);
  if (config !== undefined) {
    await checkKey(config, options.env, problems);
    await checkDirectory(config.dataDir, { path: ['dataDir'], what: 'the data directory', needed: true }, problems);
    await checkOutputs(config, options, problems);
    if (config.terminator !== undefined) await checkTerminator(config.terminator, problems);
    if (config.kubernetes !== undefined) await checkKubernetes(config.kubernetes, options.env, problems);
    if (options.listen) await checkAddresses(config, problems);
  }
  return { ...(config === undefined ? {} : { config }), problems: problems.sorted(), restartNeeded };
}

async function checkKey({ dataDir }: Config, env: NodeJS.ProcessEnv, problems: ProblemList): Promise<void> {
  if ((env[keyFileVariable] ?? '') !== '') return;
  const credentials = env[credentialsVariable];
  if (credentials !== undefined && (await exists(join(credentials, keyCredential)))) return;
  problems.warning(
    ['dataDir'],
    `The encryption key is a generated file in ${dataDir}: it guards copies of the database, but not of the whole ` +
      'directory. Set CERTPLANE_ENCRYPTION_KEY_FILE, or a systemd credential, to keep it elsewhere.',
  );
}

async function checkOutputs(
  { certificates }: Config,
  { env, ownerProblem }: CheckOptions,
  problems: ProblemList,
): Promise<void> {
  const programs = new Map<string, boolean>();
  for (const { id, outputs } of certificates) {
    for (const [i, output] of outputs.entries()) {
      if (output.kind !== 'files') continue;
      const path = ['certificates', id.slice('file/'.length), 'outputs', i];
      await checkDirectory(
        output.directory,
        { path: [...path, 'files', 'directory'], what: 'the output directory' },
        problems,
      );
      const owner = await ownerProblem?.(output);
      if (owner !== undefined) problems.warning([...path, 'files'], owner);
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

async function checkAddresses(config: Config, problems: ProblemList): Promise<void> {
  const listeners = { ...config, admin: config.admin.listen, metrics: config.metrics?.listen };
  for (const { path, listen } of listenersOf(listeners)) {
    const code = await tryListen(listen);
    if (code === undefined) continue;
    const address = formatAddress(listen);
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
