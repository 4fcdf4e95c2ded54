/**
 * `certplane run`: a small parent of two children, control and terminator. It serves nothing itself; either child can
 * end and come back without the other noticing more than a reconnect. When the parent is killed, both see it and stop
 * gracefully, so that nothing keeps the ports.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processLog } from './process-log.ts';
import { ChildFailed, keepRunning, type Child } from './child.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { stopSignals } from './stop.ts';

export interface RunOptions extends ConfigLocation {
  /** Reload when the file changes. */
  readonly watch: boolean;
}

/** Resolves the exit code. */
export async function run(options: RunOptions): Promise<number> {
  using signals = stopSignals();
  const log = processLog('run');
  const { file, config } = await readConfig(options);
  if (config === undefined) return 1;

  const bin = fileURLToPath(new URL(`../bin${extname(import.meta.url)}`, import.meta.url));
  const shared = ['--config', file, ...(options.dataDir === undefined ? [] : ['--data-dir', options.dataDir])];
  const abandon = new AbortController();
  const stop = AbortSignal.any([signals.stop, abandon.signal]);
  const watch = options.watch ? ['--watch'] : [];
  const control = keepRunning({ name: 'control', args: ['control', ...shared, ...watch], bin, log }, stop);
  const children: Child[] = [control];
  if (config.terminator !== undefined) {
    children.push(keepRunning({ name: 'terminator', args: ['terminator', ...shared], bin, log }, stop));
  }
  const onHangUp = (): void => control.signal('SIGHUP');
  process.on('SIGHUP', onHangUp);
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
  await Promise.all(children.map((child) => child.ended));
  process.off('SIGHUP', onHangUp);
  return exitCode;
}
