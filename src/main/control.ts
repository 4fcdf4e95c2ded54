/** `certplane control`: the control process until it is told to stop. */
import { isAbort, toCertplaneError } from '../core/errors.ts';
import { systemClock } from '../core/system-clock.ts';
import { banner } from './banner.ts';
import type { Log } from '../core/ports/log.ts';
import { wireControl, type Control } from './wire-control.ts';
import { processLog } from './process-log.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { limitStop } from './stop-limit.ts';
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
  // Everything kept is durable when it is kept, so there is nothing that an end in the middle could break.
  signals.force.addEventListener('abort', () => process.exit(1));
  let running: Control | undefined;
  let waitsFor: string | undefined = 'the start';
  limitStop({
    signals,
    waitingFor: () => (waitsFor === undefined ? (running?.waitingFor ?? []) : [waitsFor]),
    log,
  });
  const hangUps = hangUpTurns();
  const { file, config } = await readConfig(options);
  if (config === undefined) return 1;
  try {
    await using control = await wireControl(
      { config, dataDirOption: options.dataDir, env: process.env, clock: systemClock, log },
      signals.stop,
    );
    running = control;
    await control.start(signals.stop);
    waitsFor = undefined;
    const reload = createReloader(control, signals.stop, log);
    const onWatchTrouble = (message: string): void => control.notices.raise('config.not-watched', message, file);
    const reloading = [
      hangUps.each(async () => await reload('SIGHUP'), signals.stop),
      ...(options.watch
        ? [
            watchFile(file, async () => await reload('watch'), {
              clock: systemClock,
              log,
              signal: signals.stop,
              onTrouble: onWatchTrouble,
            }),
          ]
        : []),
    ];
    signals.ready();
    await announce(control, signals.stop, log);
    await signals.stopped;
    waitsFor = 'a reload';
    await Promise.all(reloading);
    waitsFor = undefined;
    return 0;
  } catch (error) {
    if (signals.stop.aborted && isAbort(error)) return 0;
    const { code, message } = toCertplaneError(error);
    await signals.refused({ code, message });
    throw error;
  }
}

/** SIGHUP from the first moment on; those that come while nobody can take them count as one. */
function hangUpTurns(): { each(work: () => Promise<void>, signal: AbortSignal): Promise<void> } {
  let due = false;
  let wake = Promise.withResolvers<void>();
  process.on('SIGHUP', () => {
    due = true;
    wake.resolve();
  });
  return {
    async each(work, signal) {
      signal.addEventListener('abort', () => wake.resolve(), { once: true });
      while (!signal.aborted) {
        if (due) {
          due = false;
          await work();
        } else {
          wake = Promise.withResolvers();
          await wake.promise;
        }
      }
    },
  };
}

async function announce(control: Control, stop: AbortSignal, log: Log): Promise<void> {
  await control.settled(settleMs, stop);
  if (stop.aborted) return;
  const { config, roots } = control;
  const terms = await control.terms(stop);
  for (const { issuer, url } of terms) log.info(`By running this you accept the terms of ${issuer}: ${url}`);
  process.stdout.write(banner({ config, loginLink: control.loginLink(), roots, serving: control.serving(), terms }));
}

/** For signals and the file watcher: nobody waits for the result, so the log tells it. */
function createReloader(control: Control, signal: AbortSignal, log: Log): (actor: string) => Promise<void> {
  return async (actor) => {
    try {
      const { added, changed, removed, restartNeeded, warnings } = await control.reload(
        { acceptRemoval: false, acceptReissue: false, actor },
        signal,
      );
      log.info('The configuration is applied.', { added, changed, removed, restartNeeded, warnings });
    } catch (caught) {
      const { code, message } = toCertplaneError(caught);
      const unchanged = code === 'config.invalid' || code === 'config.removal-held';
      const sentence = unchanged
        ? 'The configuration is not applied; nothing has changed.'
        : 'The configuration is not applied as a whole.';
      if (!signal.aborted) log.error(sentence, { code, reason: message });
    }
  };
}
