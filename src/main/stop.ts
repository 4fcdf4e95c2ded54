/** When a process should stop: SIGINT, SIGTERM, or the end of the parent that started it. */
import { Socket } from 'node:net';
import type { Refusal } from './refusal.ts';

/** A second signal within this time is the first one delivered twice (a terminal and npm both pass Ctrl-C on). */
const sameSignalMs = 1_000;

export interface StopSignals extends Disposable {
  /** Aborted by the first signal: stop accepting, finish what is open. */
  readonly stop: AbortSignal;
  /** Aborted by a later one: do not wait for what is open. */
  readonly force: AbortSignal;
  /** Resolves once `stop` is aborted. */
  readonly stopped: Promise<void>;
  /** Tells the parent, where there is one, that this process does its work. */
  ready(): void;
  /** Tells the parent, where there is one, why this process does not start. Resolves once that is said. */
  refused(refusal: Refusal): Promise<void>;
  /** Tells the parent, where there is one, that it is stopping and how long that takes at most. */
  endsWithin(ms: number): void;
}

/** The environment variable that names the file descriptor of the pipe to the parent. */
export const parentPipeVariable = 'CERTPLANE_PARENT_FD';

export function stopSignals(env: NodeJS.ProcessEnv = process.env): StopSignals {
  const stop = new AbortController();
  const force = new AbortController();
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  // A child counts from its parent's signal, which comes after the parent's own: half the time leaves room for that.
  const windowMs = env[parentPipeVariable] === undefined ? sameSignalMs : sameSignalMs / 2;
  let firstAt = 0;
  const onSignal = (): void => {
    if (!stop.signal.aborted) {
      firstAt = performance.now();
      stop.abort();
      resolve();
    } else if (performance.now() - firstAt > windowMs) force.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // The parent's end is told several times over (end, close): only a signal means "now".
  const parent = parentPipe(env, () => {
    if (!stop.signal.aborted) onSignal();
  });
  return {
    stop: stop.signal,
    force: force.signal,
    stopped,
    ready: () => void parent?.write('ready\n'),
    refused: async (refusal) => {
      if (parent?.destroyed !== false) return;
      const { promise: said, resolve: onSaid } = Promise.withResolvers<void>();
      parent.write(`refused ${JSON.stringify(refusal)}\n`, () => onSaid());
      await said;
    },
    endsWithin: (ms) => {
      if (parent?.destroyed === false) parent.write(`ends-within ${ms}\n`);
    },
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      parent?.destroy();
    },
  };
}

/** The parent holds the other end and writes nothing: its end is the parent's end, however it came. */
function parentPipe(env: NodeJS.ProcessEnv, onEnd: () => void): Socket | undefined {
  const fd = Number(env[parentPipeVariable] ?? '');
  if (!Number.isInteger(fd) || fd < 3) return undefined;
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on('end', onEnd).on('error', onEnd).on('close', onEnd);
  socket.resume();
  socket.unref();
  return socket;
}
