import { writeFile } from 'node:fs/promises';
import { loadConfig, type LoadResult } from '../../src/config/load.ts';
import type { Config } from '../../src/config/model.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { tempDir } from '../support/tempdir.ts';

export interface LoadOptions {
  env?: NodeJS.ProcessEnv;
  dataDir?: string;
  /** Other files beside it, by relative path. */
  files?: Record<string, string>;
}

/** Loads a text from a real file in a directory of its own; paths in the result are under `<dir>`. */
export async function load(
  text: string,
  { env = {}, dataDir, files = {} }: LoadOptions = {},
): Promise<LoadResult & { dir: string }> {
  await using dir = await tempDir('cp-config-');
  const file = dir.join('certplane.yaml');
  await writeFile(file, text);
  for (const [name, content] of Object.entries(files)) await writeFile(dir.join(name), content);
  const result = await loadConfig({ file, env: { HOME: '/home/ops', ...env }, dataDir });
  return { ...result, dir: dir.path };
}

/** The configuration of a text that must have no errors. */
export async function loaded(text: string, options?: LoadOptions): Promise<Config> {
  const { config, problems } = await load(text, options);
  if (config === undefined) throw new Error(problems.map((one) => formatProblem('certplane.yaml', one)).join('\n'));
  return config;
}

/** Its problems as lines; the directory is written `<dir>`. */
export async function problemsOf(text: string, options?: LoadOptions): Promise<string[]> {
  const { problems, dir } = await load(text, options);
  return problems.map((one) => formatProblem('certplane.yaml', one).replaceAll(dir, '<dir>'));
}
