/**
 * `certplane reload`, SIGHUP and --watch: reads the file again and applies it, or changes nothing and says why.
 * One reload at a time. Once applying has begun, only the end of the process stops it: whoever asked may go away.
 */
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/model.ts';
import { configInvalid } from '../config/problems.ts';
import { toCertplaneError } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ReloadOptions, ReloadResult } from '../core/ports/control-view.ts';
import type { Log } from '../core/ports/log.ts';
import type { InForce } from './in-force.ts';
import type { Notices } from './notices.ts';

export interface ReloadDeps {
  readonly file: string;
  /** As given on the command line; it overrides the file's. */
  readonly dataDir: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** The configuration this process started with. */
  readonly started: () => Config;
  readonly inForce: Pick<InForce, 'apply'>;
  readonly notices: Notices;
  /** For history. */
  readonly store: Pick<CertificateStore, 'append'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The process is stopping. */
  readonly stop: AbortSignal;
}

/** Why a file is not applied: problems for as long as it is so. */
const refusals = ['config.invalid', 'config.removal-held'] as const;

export function createReload(deps: ReloadDeps): (options: ReloadOptions, signal: AbortSignal) => Promise<ReloadResult> {
  const { file, dataDir, env, notices, inForce, stop } = deps;
  let last: Promise<unknown> = Promise.resolve();

  async function once(options: ReloadOptions, signal: AbortSignal): Promise<ReloadResult> {
    signal.throwIfAborted();
    const started = deps.started();
    try {
      const running = { dataDir: started.dataDir, adminListen: started.admin.listen };
      const { config, problems, restartNeeded: waiting } = await loadConfig({ file, env, dataDir, running });
      if (config === undefined) throw configInvalid(file, problems);
      signal.throwIfAborted();
      const { warnings, ...counts } = await inForce.apply(config, options, stop);
      const toggled = (started.terminator === undefined) !== (config.terminator === undefined);
      const restartNeeded = [...waiting, ...(toggled ? ['terminator (added or removed)'] : [])];
      for (const code of refusals) notices.clear(code, file);
      if (restartNeeded.length === 0) notices.clear('config.restart-needed');
      else
        notices.raise(
          'config.restart-needed',
          `Changed and in force only after a restart: ${restartNeeded.join(', ')}.`,
        );
      const { added, changed, removed } = counts;
      await note(
        'reload',
        `Reloaded: ${added} added, ${changed} changed, ${removed} removed.${accepted(options)}`,
        options,
      );
      return {
        ...counts,
        restartNeeded,
        warnings: [...problems.map((problem) => `${problem.path}: ${problem.message}`), ...warnings],
      };
    } catch (caught) {
      const { code, message } = toCertplaneError(caught);
      const refusal = refusals.find((one) => one === code);
      if (refusal !== undefined) {
        // Only what is wrong with the file as it is now.
        for (const other of refusals) if (other !== refusal) notices.clear(other, file);
        notices.raise(refusal, message, file);
      }
      if (!signal.aborted && !stop.aborted) await note(code, `Reload: ${message}${accepted(options)}`, options);
      throw caught;
    }
  }

  /** History may be lossy: what it tells of has happened. */
  async function note(code: string, message: string, { actor, acceptRemoval, acceptReissue }: ReloadOptions) {
    const { store, clock, log } = deps;
    try {
      const details = { acceptRemoval, acceptReissue };
      await store.append({ at: clock.now(), kind: 'config', code, message, actor, details }, stop);
    } catch (error) {
      log.error('A history entry could not be kept.', { error: String(error), code });
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

function accepted({ acceptRemoval, acceptReissue }: ReloadOptions): string {
  const words = [acceptRemoval ? 'removals' : '', acceptReissue ? 're-issues' : ''].filter((word) => word !== '');
  return words.length === 0 ? '' : ` Accepted: ${words.join(' and ')}.`;
}
