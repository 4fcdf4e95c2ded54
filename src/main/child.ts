/** One child process of `certplane run`: started, restarted with back-off when it ends unexpectedly, stopped and awaited. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../core/ports/log.ts';
import { activationVariables, descriptors, type Activation } from '../terminator/pool/activation.ts';
import { limitChild, type ChildLimits } from './child-limit.ts';
import type { Refusal } from './refusal.ts';
import { parentPipeVariable } from './stop.ts';

/** Short at first: while the terminator is away, clients are refused. */
const restartMs = { first: 50, most: 10_000 } as const;
/** A child that does not start, for a reason that somebody may put right, is tried again after this. */
const refusedMs = 30_000;
/** After its end, for what it wrote before. */
const saidMs = 1_000;
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
  /**
   * It ended by itself before it was ever ready, and said why: whether it is tried again all the same, now and then.
   * Left out: never.
   */
  readonly onRefused?: ((refusal: Refusal) => Promise<boolean>) | undefined;
}

export interface Child {
  readonly pid: number | undefined;
  /** Resolves when the child says it is ready for the first time; rejects with its exit code when it ends before that. */
  readonly firstReady: Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Sends it SIGHUP, once it is ready to take that: before, it would only end it. What waits to be tried again is tried now. */
  hangUp(): void;
  /** Resolves when it has ended after the signal was aborted: whether it did so by itself, and with exit code 0. */
  readonly ended: Promise<boolean>;
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it did not start, where it said so. */
  readonly refusal?: Refusal | undefined;
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
export function keepRunning(options: ChildOptions, stop: AbortSignal): Child {
  const { name, args, bin, log, sockets, limits, onRefused } = options;
  const passed = sockets === undefined ? [] : descriptors(sockets);
  // Behind the sockets is the pipe by which either side notices the end of the other.
  const pipeFd = 3 + passed.length;
  let current: ChildProcess | undefined;
  let everReady = false;
  let ready = false;
  let hangUpDue = false;
  let pause = new AbortController();
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
  async function runOnce(): Promise<Exit> {
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
    let refusal: Refusal | undefined;
    let line = '';
    pipe?.on('data', (data: Buffer) => {
      const lines = `${line}${data.toString()}`.split('\n');
      line = lines.pop() ?? '';
      for (const one of lines) {
        const [word, ...rest] = one.split(' ');
        if (word === 'ready') onReady();
        else if (word === 'refused') refusal = JSON.parse(rest.join(' ')) as Refusal;
        else if (word === 'ends-within') limit.allow(Number(rest[0]));
      }
    });
    const { promise: said, resolve: onSaid } = Promise.withResolvers<void>();
    pipe?.on('close', () => onSaid());
    pipe?.on('error', (error) => log.debug('pipe to child failed', { child: name, reason: error.message }));
    child.once('error', (error) => {
      log.error('child cannot be started', { child: name, reason: error.message });
      resolve({ code: 1, signal: null });
    });
    child.once('exit', (code, signal) => resolve({ code, signal }));
    const exit = await ended;
    limit[Symbol.dispose]();
    // What it said last may not have been read yet.
    if (exit.code !== null) await Promise.race([said, delay(saidMs, undefined, { ref: false })]);
    return { ...exit, refusal };
  }

  async function loop(): Promise<boolean> {
    let wait: number = restartMs.first;
    let endedWell = true;
    let everRefused = false;
    while (!stop.aborted) {
      const startedAt = performance.now();
      const { code, signal, refusal } = await runOnce();
      current = undefined;
      ready = false;
      if (stop.aborted) {
        endedWell = code === 0 || signal === 'SIGTERM' || signal === 'SIGINT';
        break;
      }
      // What ends by itself before it was ever ready has said why and would say it again; a kill or a crash would not.
      const refused = !everReady && code !== null;
      everRefused ||= refused;
      if (refused && (refusal === undefined || (await onRefused?.(refusal)) !== true)) {
        first.reject(new ChildFailed(name, code ?? 1));
        break;
      }
      if (performance.now() - startedAt > steadyMs) wait = restartMs.first;
      const afterMs = refused ? refusedMs : wait;
      log.error(refused ? 'child does not start and is tried again' : 'child ended unexpectedly and is started again', {
        child: name,
        code: code ?? 'killed',
        afterMs,
      });
      pause = new AbortController();
      const waited = delay(afterMs, undefined, { signal: AbortSignal.any([stop, pause.signal]) });
      await waited.catch(() => undefined); // asked to stop, or to try now
      if (!refused) wait = Math.min(wait * 2, restartMs.most);
    }
    first.resolve();
    stop.removeEventListener('abort', onStop);
    return endedWell && (everReady || !everRefused);
  }

  return {
    get pid() {
      return current?.pid;
    },
    firstReady: first.promise,
    signal: (signal) => void current?.kill(signal),
    hangUp: () => {
      if (ready) current?.kill('SIGHUP');
      else {
        hangUpDue = true;
        pause.abort();
      }
    },
    ended: loop(),
  };
}
