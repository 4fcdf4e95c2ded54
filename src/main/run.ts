/**
 * `certplane run`: a small parent of two children, control and terminator. It serves nothing itself; either child can
 * end and come back without the other noticing more than a reconnect. When the parent is killed, both see it and stop
 * gracefully, so that nothing keeps the ports.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isShrunk, readMarker } from './applied-marker.ts';
import { takeActivation } from '../terminator/pool/activation.ts';
import { processLog } from './process-log.ts';
import { ChildFailed, keepRunning, type Child } from './child.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { stopSignals } from './stop.ts';

export interface RunOptions extends ConfigLocation {
  /** Reload when the file changes. */
  readonly watch: boolean;
}

/** Resolves the exit code: not 0 when a child had to be ended. */
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
  control = keepRunning({ name: 'control', args: ['control', ...shared, ...watch], bin, log }, stop);
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
    signals.ready();
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error;
    exitCode = error.exitCode;
    abandon.abort();
  }
  const endedWell = await Promise.all(children.map((child) => child.ended));
  if (exitCode === 0 && endedWell.includes(false)) exitCode = 1;
  process.off('SIGHUP', onHangUp);
  return exitCode;
}
