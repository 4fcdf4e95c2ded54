/** `certplane control`: the control process until it is told to stop. */
import { isAbort, toCertplaneError } from '../core/errors.ts';
import { systemClock } from '../core/system-clock.ts';
import { banner } from './banner.ts';
import type { Log } from '../core/ports/log.ts';
import { wireControl, type Control } from './wire-control.ts';
import { processLog } from './process-log.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { stopSignals } from './stop.ts';
import { watchFile } from './watch-file.ts';

export interface ControlOptions extends ConfigLocation {
  /** Reload when the file changes. */
  readonly watch: boolean;
}

/** The first certificates of a private CA are there within seconds; for a public CA the page shows the rest. */
const settleMs = 10_000;

/** Resolves the exit code. Throws what prevents the start. */
export async function runControl(options: ControlOptions): Promise<number> {
  using signals = stopSignals();
  const log = processLog('control');
  const { file, config } = await readConfig(options);
  if (config === undefined) return 1;
  try {
    await using control = await wireControl(
      { config, dataDirOption: options.dataDir, env: process.env, clock: systemClock, log },
      signals.stop,
    );
    await control.start(signals.stop);
    const reload = createReloader(control, signals.stop, log);
    process.on('SIGHUP', () => void reload('SIGHUP'));
    const watching = options.watch
      ? watchFile(file, async () => await reload('watch'), { clock: systemClock, log, signal: signals.stop })
      : Promise.resolve();
    signals.ready();
    await control.settled(settleMs, signals.stop);
    if (!signals.stop.aborted)
      process.stdout.write(
        banner({ config, loginLink: control.loginLink(), roots: control.roots, serving: control.serving() }),
      );
    await signals.stopped;
    await watching;
    return 0;
  } catch (error) {
    if (signals.stop.aborted && isAbort(error)) return 0;
    throw error;
  }
}

/** For signals and the file watcher: nobody waits for the result, so the log tells it. */
function createReloader(control: Control, signal: AbortSignal, log: Log): (actor: string) => Promise<void> {
  return async (actor) => {
    try {
      const { added, changed, removed, restartNeeded } = await control.reload(
        { acceptRemoval: false, acceptReissue: false, actor },
        signal,
      );
      log.info('The configuration is applied.', { added, changed, removed, restartNeeded });
    } catch (caught) {
      const { code, message } = toCertplaneError(caught);
      if (!signal.aborted)
        log.error('The configuration is not applied; nothing has changed.', { code, reason: message });
    }
  };
}
