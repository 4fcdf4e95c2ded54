import { fork, type ChildProcess, type SendHandle } from 'node:child_process';
import { extname } from 'node:path';
import type { BackendReport } from '../../core/feed.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import type { BoundSocket } from './bound-socket.ts';

/** The worker's program beside this one, with the extension this one has: `.ts` from source, `.js` when emitted. */
const workerFile = new URL(`../worker${extname(import.meta.filename)}`, import.meta.url);

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One worker process. */
export class WorkerHandle {
  readonly startedAt: number;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<WorkerExit>;
  /** The last change it has in effect. */
  applied: number;
  connections = 0;
  /** Of backends, as it sees them. */
  endpoints: readonly BackendReport[] = [];
  /** When it last said anything, in milliseconds of `performance.now()`. */
  heardAt = performance.now();
  draining = false;
  readonly #child: ChildProcess;
  readonly #listens = new Map<number, PromiseWithResolvers<string | undefined>>();
  readonly #unlistens = new Map<number, PromiseWithResolvers<void>>();

  constructor(startedAt: number, applied: number, onMessage: (worker: WorkerHandle, message: FromWorker) => void) {
    this.startedAt = startedAt;
    this.applied = applied;
    this.#child = fork(workerFile, [], {
      execArgv: [],
      env: workerEnvironment(),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: FromWorker) => {
      this.heardAt = performance.now();
      if (message.type === 'listening') this.#listens.get(message.id)?.resolve(undefined);
      else if (message.type === 'listen-failed') this.#listens.get(message.id)?.resolve(message.code);
      else if (message.type === 'unlistened') this.#unlistens.get(message.id)?.resolve();
      else onMessage(this, message);
    });
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        // Nobody waits for a dead worker.
        for (const answer of this.#listens.values()) answer.resolve('ESRCH');
        for (const answer of this.#unlistens.values()) answer.resolve();
        resolve({ code, signal });
      };
      this.#child.once('error', () => end(null, null));
      this.#child.once('exit', end);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  send(message: ToWorker, socket?: BoundSocket): void {
    if (!this.#child.connected) return; // its end is on the way
    // Node passes bound handles although its types know only servers and sockets.
    this.#child.send(message, socket?.handle as unknown as SendHandle, {}, () => undefined);
  }

  /** Resolves when it accepts there: undefined, or the errno name why not (`ESRCH`: it has ended). */
  async listen(id: number, socket: BoundSocket): Promise<string | undefined> {
    const answer = Promise.withResolvers<string | undefined>();
    this.#listens.set(id, answer);
    this.send({ type: 'listen', id, protocol: socket.protocol }, socket);
    return await answer.promise;
  }

  /** Resolves when it no longer accepts there. */
  async unlisten(id: number): Promise<void> {
    const answer = Promise.withResolvers<void>();
    this.#unlistens.set(id, answer);
    this.send({ type: 'unlisten', id });
    await answer.promise;
  }

  /** Lets it end by itself, and ends it when it does not. */
  async drain(deadlineMs: number): Promise<void> {
    this.draining = true;
    this.send({ type: 'drain', deadlineMs });
    const limit = setTimeout(() => this.kill(), deadlineMs + 2_000);
    await this.exited;
    clearTimeout(limit);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Credentials stand in variables of any name, so only those are passed on that node and the TLS library know. */
const workerVariables = /^(?:PATH|TZ|LANG|LC_\w+|NODE_(?!TEST_CONTEXT|CHANNEL)\w+|OPENSSL_\w+|SSL_\w+|LD_\w+|UV_\w+)$/;

function workerEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => workerVariables.test(name)));
}
