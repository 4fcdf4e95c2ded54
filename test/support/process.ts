import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';

export interface SpawnOptions {
  /** How messages call it; the command by default. */
  name?: string;
  cwd?: string;
  /** Replaces the environment; give `{ ...process.env, X: '1' }` to add to it. */
  env?: NodeJS.ProcessEnv;
  input?: string | Buffer;
  /** What `stop` and disposal send first. */
  stopSignal?: NodeJS.Signals;
  /** How long after `stopSignal` SIGKILL follows. */
  stopTimeoutMs?: number;
  /** Starts a process group of its own, so that disposal also ends what the process left behind. */
  group?: boolean;
  /** Linux: the cores that it and what it starts may run on, as `taskset -c` takes them. */
  cpus?: string | undefined;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const running = new Set<RunningProcess>();
// A test that fails or times out must not leave servers behind; `exit` handlers are synchronous, and so is kill.
process.on('exit', () => {
  for (const child of running) child.killNow();
});

/** A child process with its output kept; ended by its handle when it goes out of scope. */
export class RunningProcess implements AsyncDisposable {
  readonly name: string;
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when the process has ended and its output has been read; never rejects. */
  readonly exited: Promise<Exit>;
  readonly #options: SpawnOptions;
  readonly #waiting = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #output = '';
  #exit: Exit | undefined;
  #spawnError: Error | undefined;

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.name = options.name ?? command;
    this.#options = options;
    const [file, ...list] =
      options.cpus === undefined ? [command, ...args] : ['taskset', '-c', options.cpus, command, ...args];
    this.child = spawn(file, list, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: options.group ?? false,
    });
    running.add(this);
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => this.#take(text, 'stdout'));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => this.#take(text, 'stderr'));
    this.child.stdin.on('error', () => {}); // it may end before it has read its input
    this.child.stdin.end(options.input);
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit, error?: Error): void => {
        this.#exit = exit;
        this.#spawnError = error;
        if (!options.group) running.delete(this);
        this.#wake();
        resolve(exit);
      };
      this.child.once('error', (error) => end({ code: null, signal: null }, error));
      this.child.once('close', (code, signal) => end({ code, signal }));
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} did not start`, { cause: this.#spawnError });
    return this.child.pid;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  /** Both streams in the order in which they arrived. */
  get output(): string {
    return this.#output;
  }
  get lines(): string[] {
    return this.#output.split('\n');
  }
  /** Undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** The first match in the output so far or to come; rejects when the process ends or the time runs out before it. */
  async waitForLine(pattern: RegExp | string, { timeoutMs = 15_000, from = 0 } = {}): Promise<RegExpMatchArray> {
    const regex = typeof pattern === 'string' ? new RegExp(RegExp.escape(pattern)) : pattern;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const match = this.#output.slice(from).match(regex);
      if (match) return match;
      if (this.#exit) throw this.#failure(`ended (${describeExit(this.#exit)}) before it printed ${regex}`);
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw this.#failure(`did not print ${regex} within ${timeoutMs} ms`);
      await this.#change(leftMs);
    }
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): boolean {
    return this.child.kill(signal);
  }

  /** Sends `stopSignal`, and SIGKILL after `stopTimeoutMs`. */
  async stop(signal: NodeJS.Signals = this.#options.stopSignal ?? 'SIGTERM'): Promise<Exit> {
    if (this.#exit) return this.#exit;
    this.kill(signal);
    const timer = setTimeout(() => this.kill('SIGKILL'), this.#options.stopTimeoutMs ?? 10_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether anything of its process group (`group: true`) still runs. */
  groupAlive(): boolean {
    if (!this.#options.group || this.child.pid === undefined) return false;
    try {
      return process.kill(-this.child.pid, 0);
    } catch {
      return false;
    }
  }

  /** SIGKILL to it and, with `group: true`, to what it started; does not wait. */
  killNow(): void {
    if (this.child.pid === undefined) return;
    if (this.groupAlive()) process.kill(-this.child.pid, 'SIGKILL');
    else if (!this.#exit) this.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.pid !== undefined) {
      await this.stop();
      this.killNow();
    }
    running.delete(this);
  }

  #take(text: string, stream: 'stdout' | 'stderr'): void {
    if (stream === 'stdout') this.#stdout += text;
    else this.#stderr += text;
    this.#output += text;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #change(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    this.#waiting.add(resolve);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  #failure(what: string): Error {
    const tail = this.#output.trimEnd().split('\n').slice(-40).join('\n');
    return new Error(`${this.name} ${what}; its last output:\n${tail}`, { cause: this.#spawnError });
  }
}

export function spawnProcess(command: string, args: readonly string[], options: SpawnOptions = {}): RunningProcess {
  return new RunningProcess(command, args, options);
}

export interface RunOptions extends SpawnOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
}

export interface RunResult extends Exit {
  stdout: string;
  stderr: string;
}

/** Runs a program to its end. A non-zero exit is a result, not an error; a program that cannot start or hangs is. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { timeoutMs = 60_000, signal, ...options }: RunOptions = {},
): Promise<RunResult> {
  await using child = spawnProcess(command, args, { stopTimeoutMs: 1000, ...options });
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  limit.throwIfAborted();
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  limit.addEventListener('abort', () => resolve(undefined), { once: true });
  const exit = await Promise.race([child.exited, aborted]);
  if (!exit)
    throw new Error(`${child.name} ${args.join(' ')} was ended: ${limit.reason}; it printed:\n${child.output}`);
  void child.pid; // throws when it never started
  return { ...exit, stdout: child.stdout, stderr: child.stderr };
}

export function describeExit(exit: Exit): string {
  return exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
}
