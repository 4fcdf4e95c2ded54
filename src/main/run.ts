/**
 * `certplane run`: a small parent of two children, control and terminator. It serves nothing itself; either child can
 * end and come back without the other noticing more than a reconnect. When the parent is killed, both see it and stop
 * gracefully, so that nothing keeps the ports.
 */
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isShrunk, readMarker } from './applied-marker.ts';
import { hasLastGoodCopy } from '../terminator/last-good/present.ts';
import { takeActivation } from '../terminator/pool/activation.ts';
import { processLog } from './process-log.ts';
import { ChildFailed, keepRunning, type Child } from './child.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { removeRefusal, writeRefusal, type Refusal } from './refusal.ts';
import { stopSignals } from './stop.ts';

export interface RunOptions extends ConfigLocation {
  /** Reload when the file changes. */
  readonly watch: boolean;
}

/**
 * Resolves the exit code: not 0 when a child had to be ended, or control never came up.
 *
 * A control that refuses to start (a damaged database, the wrong key) does not take down what a last-good copy can serve:
 * after a reboot that would be everything. It is tried again, and the log and other commands say why it has to be.
 */
export async function run(options: RunOptions): Promise<number> {
  using signals = stopSignals();
  const log = processLog('run');
  const sockets = takeActivation(process.env, [process.pid]);
  let control: Child | undefined;
  let hungUp = false;
  const onHangUp = (): void => {
    if (control === undefined) hungUp = true;
    else control.hangUp();
  };
  process.on('SIGHUP', onHangUp);
  const { file, config } = await readConfig(options);
  if (config === undefined) return 1;
  // Control holds a file that lost most of its certificates and goes on with the one before: so does the terminator.
  const marker = await readMarker(config.dataDir);
  const held = marker !== undefined && isShrunk(config, marker);
  const withTerminator = config.terminator !== undefined || (held && marker.terminator);

  const bin = fileURLToPath(new URL(`../bin${extname(import.meta.url)}`, import.meta.url));
  const shared = ['--config', file, ...(options.dataDir === undefined ? [] : ['--data-dir', options.dataDir])];
  const abandon = new AbortController();
  const stop = AbortSignal.any([signals.stop, abandon.signal]);
  const watch = options.watch ? ['--watch'] : [];
  const runDir = join(config.dataDir, 'run');
  // Before anything runs that could begin one.
  const canServeWithout = withTerminator && (await hasLastGoodCopy(join(config.dataDir, 'terminator', 'last-good')));
  let refused = false;
  const onRefused = async (refusal: Refusal): Promise<boolean> => {
    if (!canServeWithout || !servesOn(refusal)) return false;
    refused = true;
    const { code, message: reason } = refusal;
    const sentence = 'Control refuses to start; the terminator serves its last-good copy, and nothing is renewed.';
    log.error(sentence, { code, reason });
    await writeRefusal(runDir, refusal, log);
    return true;
  };
  control = keepRunning({ name: 'control', args: ['control', ...shared, ...watch], bin, log, onRefused }, stop);
  if (hungUp) control.hangUp();
  const children: Child[] = [control];
  if (withTerminator) {
    children.push(keepRunning({ name: 'terminator', args: ['terminator', ...shared], bin, log, sockets }, stop));
  }
  signals.force.addEventListener('abort', () => {
    for (const child of children) child.signal('SIGTERM');
  });

  let exitCode = 0;
  try {
    await Promise.all(children.map((child) => child.firstReady));
    if (refused) await removeRefusal(runDir, log);
    signals.ready();
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error;
    exitCode = error.exitCode;
    abandon.abort();
  }
  const endedWell = await Promise.all(children.map((child) => child.ended));
  if (exitCode === 0 && endedWell.includes(false)) exitCode = 1;
  if (refused) await removeRefusal(runDir, log);
  process.off('SIGHUP', onHangUp);
  return exitCode;
}

/** Not beside another control plane, which has a terminator of its own, and not where the file has to be corrected. */
function servesOn({ code }: Refusal): boolean {
  return code !== 'store.locked' && !code.startsWith('config.');
}
