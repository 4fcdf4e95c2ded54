import { fork, type ChildProcess, type SendHandle } from 'node:child_process';
import { extname } from 'node:path';
import type { BackendReport } from '../../core/feed.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import type { BoundSocket } from './bound-socket.ts';
import type { LaneWorker } from './lanes.ts';

/** The worker's program beside this one, with the extension this one has: `.ts` from source, `.js` when emitted. */
const workerFile = new URL(`../worker${extname(import.meta.filename)}`, import.meta.url);

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One worker process. */
export class WorkerHandle implements LaneWorker {
  readonly index: number;
  readonly startedAt: number;
  /** It keeps all rights of root. */
  readonly asRoot: boolean;
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
  readonly #listens = new Answers<string | undefined>();
  readonly #unlistens = new Answers<void>();

  constructor(
    { index, startedAt, applied, asRoot }: Pick<WorkerHandle, 'index' | 'startedAt' | 'applied' | 'asRoot'>,
    onMessage: (worker: WorkerHandle, message: FromWorker) => void,
  ) {
    this.index = index;
    this.startedAt = startedAt;
    this.asRoot = asRoot;
    this.applied = applied;
    this.#child = fork(workerFile, [], {
      // Bodies pass through in buffers outside the heap. For a small heap V8 allows so few of them that an upload has it
      // collect everything several times a second, at half of the worker's CPU time; this much it may let lie first.
      execArgv: ['--initial-old-space-size=64'],
      env: workerEnvironment(),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: FromWorker) => {
      this.heardAt = performance.now();
      if (message.type === 'listening') this.#listens.give(message.id, undefined);
      else if (message.type === 'listen-failed') this.#listens.give(message.id, message.code);
      else if (message.type === 'unlistened') this.#unlistens.give(message.id);
      else onMessage(this, message);
    });
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        // Nobody waits for a dead worker.
        this.#listens.giveAll('ESRCH');
        this.#unlistens.giveAll();
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

  async listen(id: number, socket: BoundSocket): Promise<string | undefined> {
    const answer = this.#listens.await(id);
    this.send({ type: 'listen', id, protocol: socket.protocol }, socket);
    return await answer;
  }

  async unlisten(id: number): Promise<void> {
    const answer = this.#unlistens.await(id);
    this.send({ type: 'unlisten', id });
    await answer;
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

/** What is awaited of the worker, in the order in which it was asked for. */
class Answers<T> {
  readonly #waiting = new Map<number, ((answer: T) => void)[]>();
  /** What everybody gets once the worker has ended. */
  #last: { readonly answer: T } | undefined;

  await(id: number): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    if (this.#last !== undefined) resolve(this.#last.answer);
    else this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]);
    return promise;
  }

  give(id: number, answer: T): void {
    const [first, ...rest] = this.#waiting.get(id) ?? [];
    if (rest.length > 0) this.#waiting.set(id, rest);
    else this.#waiting.delete(id);
    first?.(answer);
  }

  giveAll(answer: T): void {
    this.#last = { answer };
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve(answer);
    this.#waiting.clear();
  }
}

/** Credentials stand in variables of any name, so only those are passed on that node and the TLS library know. */
const workerVariables = /^(?:PATH|TZ|LANG|LC_\w+|NODE_(?!TEST_CONTEXT|CHANNEL)\w+|OPENSSL_\w+|SSL_\w+|LD_\w+|UV_\w+)$/;

function workerEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => workerVariables.test(name)));
}
