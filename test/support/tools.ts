import { existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { aptAvailable, unpackedPackage } from './apt.ts';
import { npmChromium } from './npm-chromium.ts';
import {
  runProgram,
  spawnProcess,
  type RunningProcess,
  type RunOptions,
  type RunResult,
  type SpawnOptions,
} from './process.ts';
import { toolSpecs, type ToolName, type ToolSpec } from './tool-list.ts';

/** A real program that a test drives. */
export interface Tool {
  readonly name: ToolName;
  readonly path: string;
  /** The environment it needs; `run` and `spawn` use it, with the caller's `env` on top. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs it to its end; a non-zero exit code is a result, a hang is an error (60 s, `timeoutMs`). */
  run(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  spawn(args: readonly string[], options?: SpawnOptions): RunningProcess;
}

/** The message is the one line that a person needs: what is missing and what to install. */
export class ToolMissing extends Error {
  override readonly name = 'ToolMissing';
}

const found = new Map<ToolName, Promise<Tool>>();

/** PATH first, then the cache, which it fills where it can; rejects with `ToolMissing`. */
export async function findTool(name: ToolName, progress: (line: string) => void = console.error): Promise<Tool> {
  let tool = found.get(name);
  if (!tool) found.set(name, (tool = locate(name, progress)));
  return await tool;
}

/**
 * For the first lines of a test: `const nginx = await toolOrSkip(t, 'nginx'); if (!nginx) return;`.
 * A missing tool skips the test with a line that says what to install; with CI=true it fails it.
 */
export async function toolOrSkip(t: TestContext, name: ToolName): Promise<Tool | undefined> {
  const reason = await missingTools(name);
  if (reason) {
    t.skip(reason);
    return undefined;
  }
  return await findTool(name);
}

/**
 * For test options: `test('…', { skip: await missingTools('nginx', 'curl') }, …)`: false, or why the test is skipped.
 * Throws instead when CI=true, where a skip would hide a hole.
 */
export async function missingTools(...names: ToolName[]): Promise<string | false> {
  for (const name of names) {
    try {
      await findTool(name);
    } catch (error) {
      if (!(error instanceof ToolMissing) || process.env['CI'] === 'true') throw error;
      return error.message;
    }
  }
  return false;
}

async function locate(name: ToolName, progress: (line: string) => void): Promise<Tool> {
  const spec: ToolSpec = toolSpecs[name];
  const onPath = findOnPath(spec.commands ?? [name]);
  if (onPath) return tool(name, onPath, {});
  const problems: string[] = [];
  if (aptAvailable()) {
    try {
      const tree = await unpackedPackage(spec.package, progress);
      const path = [...(spec.inPackage ?? [`usr/bin/${name}`, `usr/sbin/${name}`])]
        .map((file) => join(tree, file))
        .find((file) => existsSync(file));
      if (path) return tool(name, path, treeEnvironment(tree));
      problems.push(`Debian's package ${spec.package} does not contain it`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (name === 'chromium' && process.platform === 'linux' && process.arch === 'x64') {
    try {
      const { path, libraries } = await npmChromium(progress);
      return tool(name, path, { LD_LIBRARY_PATH: libraryPath([libraries]) });
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  const why = problems.length > 0 ? ` (${problems.join('; ')})` : '';
  throw new ToolMissing(`needs ${name}: install Debian's package "${spec.package}" or put ${name} on PATH${why}`);
}

function tool(name: ToolName, path: string, extra: NodeJS.ProcessEnv): Tool {
  const env = { ...process.env, ...extra };
  return {
    name,
    path,
    env,
    run: async (args, options = {}) =>
      await runProgram(path, args, { name, ...options, env: { ...env, ...options.env } }),
    spawn: (args, options = {}) => spawnProcess(path, args, { name, ...options, env: { ...env, ...options.env } }),
  };
}

function findOnPath(commands: string[]): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/bin'];
  return commands
    .flatMap((command) => directories.filter(Boolean).map((directory) => join(directory, command)))
    .find((path) => isFile(path));
}

function treeEnvironment(tree: string): NodeJS.ProcessEnv {
  const roots = ['usr/lib', 'lib'].map((name) => join(tree, name));
  const multiarch = roots.flatMap((root) => subdirectories(root).filter((path) => path.includes('-linux-gnu')));
  // One level further down lie private libraries, such as pulseaudio's, that the system finds by absolute paths.
  const directories = [...roots, ...multiarch].flatMap((root) => [root].concat(subdirectories(root)));
  const environment: NodeJS.ProcessEnv = { LD_LIBRARY_PATH: libraryPath(directories) };
  const python = join(tree, 'usr/lib/python3/dist-packages');
  if (existsSync(python)) environment['PYTHONPATH'] = python;
  // Only where the system has no fonts set up of its own.
  if (!existsSync('/etc/fonts/fonts.conf') && existsSync(join(tree, 'etc/fonts/fonts.conf'))) {
    environment['FONTCONFIG_SYSROOT'] = tree;
  }
  return environment;
}

function subdirectories(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(directory, entry.name));
}

function libraryPath(directories: string[]): string {
  const holding = directories.filter(
    (directory) => existsSync(directory) && readdirSync(directory).some((file) => file.includes('.so')),
  );
  return [...new Set([...holding, process.env['LD_LIBRARY_PATH'] ?? ''])].filter(Boolean).join(':');
}

/** False as well for what may not be looked at: PATH can name directories of another user. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
