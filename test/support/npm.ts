/** npm as a person runs it: by the Node.js that is installed, knowing nothing of the `npm test` around the test. */
import { existsSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { runProgram, spawnProcess, type RunningProcess, type RunOptions, type RunResult } from './process.ts';

/** PATH without what npm puts before it; our own Node.js comes last, for machines that have no other. */
function plainPath(): string {
  const own = dirname(process.execPath);
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  return [...directories.filter((path) => path !== own && !path.includes(`${sep}node_modules`)), own].join(delimiter);
}

export function plainEnvironment(): NodeJS.ProcessEnv {
  const outer = Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_(?!config_(registry|cache|cafile)$)/.test(name) &&
      !['NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'INIT_CWD'].includes(name),
  );
  return { ...Object.fromEntries(outer), PATH: plainPath() };
}

/** Starts npm in a process group of its own, as a terminal does. */
export function spawnNpm(args: readonly string[], cwd: string): RunningProcess {
  return spawnProcess('npm', args, { name: 'npm', cwd, env: plainEnvironment(), group: true, stopTimeoutMs: 20_000 });
}

/** Runs npm to its end; rejects when it fails. */
export async function npm(
  args: readonly string[],
  { cwd, ...options }: RunOptions & { cwd: string },
): Promise<RunResult> {
  const result = await runProgram('npm', args, {
    timeoutMs: 110_000,
    ...options,
    cwd,
    env: plainEnvironment(),
    group: true,
  });
  if (result.code !== 0)
    throw new Error(`npm ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`);
  return result;
}

export interface InstalledNode {
  readonly path: string;
  readonly version: string;
}

/** The Node.js on PATH that is not the project's own, where there is one. */
export async function installedNode(): Promise<InstalledNode | undefined> {
  const own = dirname(process.execPath);
  const path = plainPath()
    .split(delimiter)
    .filter((directory) => directory !== own)
    .map((directory) => join(directory, 'node'))
    .find((file) => existsSync(file));
  if (path === undefined) return undefined;
  const { stdout } = await runProgram(path, ['--version']);
  return { path, version: stdout.trim() };
}
