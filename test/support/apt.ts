import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDir, withCacheLock } from './cache.ts';
import { runProgram, type RunResult } from './process.ts';

/** Parts of the running system that must not be shadowed by a copy: the loader and libc have to match each other. */
const NEVER_UNPACKED = new Set(['libc6', 'libc-bin', 'libgcc-s1', 'libstdc++6', 'base-files', 'dpkg', 'apt']);
const LISTS_FRESH_MS = 24 * 3_600_000;

export function aptAvailable(): boolean {
  return process.platform === 'linux' && existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg');
}

/**
 * The directory into which a Debian package and those of its dependencies that are not installed are unpacked.
 * Nothing is installed: no root is needed, no maintainer script runs and no service starts.
 */
export async function unpackedPackage(name: string, progress: (line: string) => void): Promise<string> {
  const tree = cacheDir('apt', name);
  if (existsSync(join(tree, '.complete'))) return tree;
  return await withCacheLock(
    'apt',
    () => progress(`waiting for another process that fetches packages`),
    async () => {
      if (existsSync(join(tree, '.complete'))) return tree;
      progress(`fetching ${name} into ${cacheDir()}`);
      await fetchPackage(name, tree);
      return tree;
    },
  );
}

async function fetchPackage(name: string, tree: string): Promise<void> {
  await mkdir(cacheDir('apt'), { recursive: true });
  const work = await mkdtemp(cacheDir('apt', '.work-'));
  try {
    const packages = await downloadWithDependencies(name, work);
    const root = join(work, 'root');
    await mkdir(root);
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await must('dpkg', ['-x', join(work, file), root]);
    }
    await writeFile(join(root, '.complete'), packages.join('\n') + '\n');
    await rm(tree, { recursive: true, force: true });
    await rename(root, tree);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The system's package lists first; where they are empty or out of date, lists of our own, which need no root. */
async function downloadWithDependencies(name: string, directory: string): Promise<string[]> {
  if (await systemHasLists()) {
    try {
      return await download(name, directory, []);
    } catch {
      // A list from last month names versions that the mirror no longer has.
    }
  }
  return await download(name, directory, await ownLists());
}

async function download(name: string, directory: string, options: string[]): Promise<string[]> {
  const simulated = await must('apt-get', [...options, 'install', '--simulate', '--no-install-recommends', name]);
  const wanted = [...simulated.stdout.matchAll(/^Inst (\S+)/gm)]
    .map(([, found = '']) => found)
    .filter((found) => !NEVER_UNPACKED.has(found));
  const packages = wanted.length > 0 ? wanted : [name]; // nothing to install: it is, but without its program
  await must('apt-get', [...options, ...sandboxOptions(), 'download', ...packages], directory);
  return packages;
}

async function systemHasLists(): Promise<boolean> {
  try {
    return (await readdir('/var/lib/apt/lists')).some((file) => file.includes('_Packages'));
  } catch {
    return false;
  }
}

async function ownLists(): Promise<string[]> {
  const state = cacheDir('apt-state');
  const options = ['-o', `Dir::State=${state}`, '-o', 'Dir::State::status=/var/lib/dpkg/status'];
  options.push('-o', `Dir::Cache=${cacheDir('apt-cache')}`, ...sandboxOptions());
  const marker = join(state, 'updated');
  const age = await stat(marker).then(
    (found) => Date.now() - found.mtimeMs,
    () => Infinity,
  );
  if (age > LISTS_FRESH_MS) {
    await mkdir(join(state, 'lists', 'partial'), { recursive: true });
    await mkdir(cacheDir('apt-cache', 'archives', 'partial'), { recursive: true });
    await must('apt-get', [...options, '-qq', 'update']);
    await writeFile(marker, '');
  }
  return options;
}

/** Root's apt would hand the download to a user who cannot write to our directory, and warn about it. */
function sandboxOptions(): string[] {
  return process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
}

async function must(command: string, args: string[], cwd?: string): Promise<RunResult> {
  const result = await runProgram(command, args, {
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: 300_000,
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (result.code !== 0) {
    const why = result.stderr.trim().split('\n').slice(-3).join(' | ');
    throw new Error(`${command} ${args.at(-1)} failed: ${why}`);
  }
  return result;
}
