import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { fetchOnce } from './http.ts';
import { groupProcesses, type ProcessInfo } from './process-tree.ts';
import {
  runProgram,
  spawnProcess,
  type Exit,
  type RunningProcess,
  type RunOptions,
  type RunResult,
} from './process.ts';
import { tempDir } from './tempdir.ts';
import { until } from './until.ts';

export const repository = join(import.meta.dirname, '..', '..');
const binFile = join(repository, 'src', 'bin.ts');

export interface CertplaneOptions {
  /** Written to `certplane.yaml` in `dir`. Give this or `configFile`. */
  configYaml?: string;
  configFile?: string;
  /** Working directory and home of the written config; a new temporary one by default. */
  dir?: string;
  /** `run` by default; also `control` and `terminator`. */
  command?: string;
  args?: string[];
  env?: NodeJS.ProcessEnv;
  /**
   * Ready when its output matches. Without it: when `/readyz` of the config's `metrics.listen` answers 200, or of its
   * `metrics.terminator` for the command `terminator`.
   */
  readyLine?: RegExp;
  /** Returns as soon as the process is started. */
  waitReady?: boolean;
  readyTimeoutMs?: number;
}

export interface Certplane extends AsyncDisposable {
  readonly dir: string;
  readonly configFile: string;
  readonly pid: number;
  /** The process of the latest start. */
  readonly process: RunningProcess;
  /** Output of all starts. */
  readonly output: string;
  readonly exited: Promise<Exit>;
  ready(): Promise<void>;
  kill(signal?: NodeJS.Signals): void;
  /** Ends it (SIGTERM unless told otherwise), starts it again with the same arguments and waits until it is ready. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** It and its children, grandchildren …, alive now. */
  processes(): ProcessInfo[];
  /** Another command against the same config and working directory. */
  cli(args: string[], options?: RunOptions): Promise<RunResult>;
}

/** The real program in processes of its own. Disposal fails when it leaves one behind after a clean stop. */
export async function startCertplane(options: CertplaneOptions): Promise<Certplane> {
  await using stack = new AsyncDisposableStack();
  const dir = options.dir ?? stack.use(await tempDir('certplane-')).path;
  const configFile = options.configFile ?? join(dir, 'certplane.yaml');
  if (options.configYaml !== undefined) await writeFile(configFile, options.configYaml);
  const env = { ...process.env, ...options.env };
  const args = [binFile, options.command ?? 'run', '--config', configFile, ...(options.args ?? [])];
  let earlierOutput = '';
  const spawn = (): RunningProcess =>
    spawnProcess(process.execPath, args, { name: 'certplane', cwd: dir, env, group: true, stopTimeoutMs: 20_000 });
  let current = spawn();
  const end = async (signal?: NodeJS.Signals): Promise<void> => {
    const exit = await current.stop(signal);
    const left = exit.signal === null && current.groupAlive() ? groupProcesses(current.pid) : [];
    await current[Symbol.asyncDispose]();
    if (left.length > 0) throw new Error(`certplane ended but left running: ${left.map((p) => p.args).join('; ')}`);
  };
  stack.defer(end);
  const ready = async (): Promise<void> => await waitUntilReady(current, configFile, options);
  if (options.waitReady !== false) await ready();
  const parts = stack.move();
  return {
    dir,
    configFile,
    get pid() {
      return current.pid;
    },
    get process() {
      return current;
    },
    get output() {
      return earlierOutput + current.output;
    },
    get exited() {
      return current.exited;
    },
    ready,
    kill: (signal) => void current.kill(signal),
    restart: async (signal) => {
      await end(signal);
      earlierOutput += current.output;
      current = spawn();
      await ready();
    },
    processes: () => groupProcesses(current.pid),
    cli: async (cliArgs, cliOptions = {}) =>
      await certplaneCli([...cliArgs, '--config', configFile], {
        cwd: dir,
        ...cliOptions,
        env: { ...env, ...cliOptions.env },
      }),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

/** Runs one command of the CLI to its end. */
export async function certplaneCli(args: string[], options: RunOptions = {}): Promise<RunResult> {
  return await runProgram(process.execPath, [binFile, ...args], { name: 'certplane', ...options });
}

async function waitUntilReady(running: RunningProcess, configFile: string, options: CertplaneOptions): Promise<void> {
  const timeoutMs = options.readyTimeoutMs ?? 30_000;
  if (options.readyLine) {
    await running.waitForLine(options.readyLine, { timeoutMs });
    return;
  }
  const url = await readyUrl(configFile, options.command === 'terminator' ? 'terminator' : 'listen');
  try {
    await until(async () => running.exit !== undefined || (await fetchOnce(url)).status === 200, {
      timeoutMs,
      everyMs: 50,
      what: `200 from ${url}`,
    });
  } catch (error) {
    throw new Error(`certplane did not become ready; its output:\n${running.output}`, { cause: error });
  }
  if (running.exit) throw new Error(`certplane ended while starting:\n${running.output}`);
}

async function readyUrl(configFile: string, which: 'listen' | 'terminator'): Promise<string> {
  const text = existsSync(configFile) ? await readFile(configFile, 'utf8') : '';
  // What is wrong with a broken file is the program's to say.
  const config = parseDocument(text).toJS() as { metrics?: Record<string, string> } | null;
  const address = config?.metrics?.[which] ?? (which === 'listen' ? '127.0.0.1:9402' : '127.0.0.1:9403');
  return `http://${address}/readyz`;
}
