/**
 * `certplane reload`, SIGHUP and --watch: reads the file again and applies it, or changes nothing and says why.
 * One reload at a time; the desired set is applied first because it is the part that may be refused.
 */
import { isDeepStrictEqual } from 'node:util';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/model.ts';
import { configInvalid } from '../config/problems.ts';
import { toCertplaneError } from '../core/errors.ts';
import type { ReloadOptions, ReloadResult } from '../core/ports/control-view.ts';
import type { Notices } from './notices.ts';

export interface ReloadDeps {
  readonly file: string;
  /** As given on the command line; it overrides the file's. */
  readonly dataDir: string | undefined;
  readonly started: Config;
  readonly notices: Notices;
  /** Throws `config.removal-held`; nothing has changed then. */
  readonly apply: (
    config: Config,
    options: ReloadOptions,
    signal: AbortSignal,
  ) => Promise<Omit<ReloadResult, 'restartNeeded' | 'warnings'>>;
}

export function createReload(deps: ReloadDeps): (options: ReloadOptions, signal: AbortSignal) => Promise<ReloadResult> {
  const { file, dataDir, started, notices, apply } = deps;
  let last: Promise<unknown> = Promise.resolve();

  async function once(options: ReloadOptions, signal: AbortSignal): Promise<ReloadResult> {
    try {
      const { config, problems } = await loadConfig({ file, env: process.env, dataDir });
      if (config === undefined) throw configInvalid(file, problems);
      const counts = await apply({ ...config, dataDir: started.dataDir }, options, signal);
      const restartNeeded = needRestart(started, config);
      notices.clear('config.invalid', file);
      notices.clear('config.removal-held', file);
      if (restartNeeded.length === 0) notices.clear('config.restart-needed');
      else
        notices.raise(
          'config.restart-needed',
          `Changed and in force only after a restart: ${restartNeeded.join(', ')}.`,
        );
      return { ...counts, restartNeeded, warnings: problems.map((problem) => `${problem.path}: ${problem.message}`) };
    } catch (caught) {
      const error = toCertplaneError(caught);
      if (error.code === 'config.invalid' || error.code === 'config.removal-held')
        notices.raise(error.code, error.message, file);
      throw error;
    }
  }

  return async (options, signal) => {
    const mine = last.then(
      () => once(options, signal),
      () => once(options, signal),
    );
    last = mine.catch(() => undefined); // the caller of `mine` sees the error; the next reload does not inherit it
    return await mine;
  };
}

/** Option paths that cannot change while the process runs. */
function needRestart(before: Config, after: Config): string[] {
  const compared: readonly [string, unknown, unknown][] = [
    ['dataDir', before.dataDir, after.dataDir],
    ['admin.listen', before.admin.listen, after.admin.listen],
    ['admin.hosts', before.admin.hosts, after.admin.hosts],
    ['metrics.listen', before.metrics?.listen, after.metrics?.listen],
    ['issuance.concurrency', before.issuance.concurrency, after.issuance.concurrency],
    ['terminator (added or removed)', before.terminator === undefined, after.terminator === undefined],
  ];
  return compared.filter(([, a, b]) => !isDeepStrictEqual(a, b)).map(([path]) => path);
}
