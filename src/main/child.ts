/** One child process of `certplane run`: started, restarted with back-off when it ends unexpectedly, stopped and awaited. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../core/ports/log.ts';
import { activationVariables, descriptors, type Activation } from '../terminator/pool/activation.ts';
import { limitChild, type ChildLimits } from './child-limit.ts';
import { parentPipeVariable } from './stop.ts';

/** Short at first: while the terminator is away, clients are refused. */
const restartMs = { first: 50, most: 10_000 } as const;
/** A child that ran this long starts over at the first step of the back-off. */
const steadyMs = 60_000;

export interface ChildOptions {
  readonly name: string;
  /** Arguments of this same program. */
  readonly args: readonly string[];
  readonly bin: string;
  readonly log: Log;
  /** Sockets of this process that the child is to have, too: each time it is started. */
  readonly sockets?: Activation | undefined;
  readonly limits?: ChildLimits | undefined;
}

export interface Child {
  readonly pid: number | undefined;
  /** Resolves when the child says it is ready for the first time; rejects with its exit code when it ends before that. */
  readonly firstReady: Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Sends it SIGHUP, once it is ready to take that: before, it would only end it. */
  hangUp(): void;
  /** Resolves when it has ended after the signal was aborted: whether it did so by itself, and with exit code 0. */
  readonly ended: Promise<boolean>;
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The child ended before it was ever ready: its own message has said why. */
export class ChildFailed extends Error {
  readonly exitCode: number;

  constructor(name: string, exitCode: number) {
    super(`${name} ended with ${exitCode} before it was ready`);
    this.exitCode = exitCode;
  }
}

/** Keeps the child running until `stop` is aborted; then sends SIGTERM and waits. */
export function keepRunning({ name, args, bin, log, sockets, limits }: ChildOptions, stop: AbortSignal): Child {
  const passed = sockets === undefined ? [] : descriptors(sockets);
  // Behind the sockets is the pipe by which either side notices the end of the other.
  const pipeFd = 3 + passed.length;
  let current: ChildProcess | undefined;
  let everReady = false;
  let ready = false;
  let hangUpDue = false;
  const first = Promise.withResolvers<void>();
  const onStop = (): void => void current?.kill('SIGTERM');
  stop.addEventListener('abort', onStop);

  function onReady(): void {
    everReady = true;
    ready = true;
    if (hangUpDue) current?.kill('SIGHUP');
    hangUpDue = false;
    first.resolve();
  }

  /** Runs it once, to its end. */
  async function once(): Promise<Exit> {
    const child = spawn(process.execPath, [bin, ...args], {
      stdio: ['ignore', 'inherit', 'inherit', ...passed, 'pipe'],
      env: {
        ...process.env,
        ...(sockets === undefined ? {} : activationVariables(sockets)),
        [parentPipeVariable]: String(pipeFd),
      },
    });
    current = child;
    ready = false;
    const pipe = child.stdio[pipeFd] as Socket | null;
    const { promise: ended, resolve } = Promise.withResolvers<Exit>();
    const limit = limitChild(child, {
      name,
      log,
      stop,
      limits,
      onLeftBehind: () => {
        child.unref();
        pipe?.destroy();
        resolve({ code: null, signal: 'SIGKILL' });
      },
    });
    pipe?.on('data', (data: Buffer) => {
      for (const line of data.toString().split('\n')) {
        if (line === 'ready') onReady();
        const endsWithinMs = /^ends-within (\d+)$/.exec(line)?.[1];
        if (endsWithinMs !== undefined) limit.allow(Number(endsWithinMs));
      }
    });
    pipe?.on('error', (error) => log.debug('pipe to child failed', { child: name, reason: error.message }));
    child.once('error', (error) => {
      log.error('child cannot be started', { child: name, reason: error.message });
      resolve({ code: 1, signal: null });
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
    const exit = await ended;
    limit[Symbol.dispose]();
    return exit;
  }

  async function loop(): Promise<boolean> {
    let wait: number = restartMs.first;
    let endedWell = true;
    while (!stop.aborted) {
      const startedAt = performance.now();
      const { code, signal } = await once();
      current = undefined;
      ready = false;
      if (stop.aborted) {
        endedWell = code === 0 || signal === 'SIGTERM' || signal === 'SIGINT';
        break;
      }
      // What ends by itself before it was ever ready has said why and would say it again; a kill or a crash would not.
      if (!everReady && code !== null) {
        first.reject(new ChildFailed(name, code));
        break;
      }
      if (performance.now() - startedAt > steadyMs) wait = restartMs.first;
      log.error('child ended unexpectedly and is started again', {
        child: name,
        code: code ?? 'killed',
        afterMs: wait,
      });
      try {
        await delay(wait, undefined, { signal: stop });
      } catch {
        break; // stop was asked for while waiting
      }
      wait = Math.min(wait * 2, restartMs.most);
    }
    first.resolve();
    stop.removeEventListener('abort', onStop);
    return endedWell;
  }

  return {
    get pid() {
      return current?.pid;
    },
    firstReady: first.promise,
    signal: (signal) => void current?.kill(signal),
    hangUp: () => {
      if (ready) current?.kill('SIGHUP');
      else hangUpDue = true;
    },
    ended: loop(),
  };
}
