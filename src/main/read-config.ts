/** The configuration a process starts with; every problem is on standard error before anything else happens. */
import { findConfigFile } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/model.ts';
import { formatProblem } from '../config/problems.ts';

export interface ConfigLocation {
  /** As given on the command line; otherwise the usual places are searched. */
  readonly configFile: string | undefined;
  readonly dataDir: string | undefined;
}

export interface StartConfig {
  readonly file: string;
  /** Absent when the file has errors. */
  readonly config: Config | undefined;
}

/** Throws `config.not-found`. */
export async function readConfig({ configFile, dataDir }: ConfigLocation): Promise<StartConfig> {
  const file = await findConfigFile({ explicit: configFile, env: process.env, cwd: process.cwd() });
  const { config, problems } = await loadConfig({ file, env: process.env, dataDir });
  for (const problem of problems) process.stderr.write(`${formatProblem(file, problem)}\n`);
  return { file, config };
}
