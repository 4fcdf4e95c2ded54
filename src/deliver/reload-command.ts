/** Runs a reload command: no shell, little environment, a deadline, and the end of its output in the error. */
import { spawn, type ChildProcess } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import { removed, scrubSecrets } from '../core/scrub-text.ts';

/** Of its output, in the error. */
const shownCharacters = 4096;
/** Kept until then: enough that a key is seen whole, and taken out whole, before the rest is cut. */
const keptBytes = 65_536;
/** Between SIGTERM and SIGKILL. */
const graceMs = 2_000;
/** After SIGKILL a process goes on only while it waits in the kernel, for a dead disk say: nobody knows how long. */
const killMs = 3_000;

export interface ReloadCommand {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Keys just written (PEM): no line of them stays in what is told of the output. */
  readonly keyPems?: readonly string[] | undefined;
}

/**
 * Resolves when the command ended with exit code 0. It runs in a process group of its own, which is ended when time
 * runs out or the signal fires. What it leaves running in the background keeps running, but its output is no longer read.
 *
 * Throws `output.reload-failed`, `output.reload-timeout`, or the signal's reason.
 */
export async function runReloadCommand(command: ReloadCommand, signal: AbortSignal): Promise<void> {
  const { argv, timeoutMs, clock, keyPems } = command;
  signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const child = start(program, args);
  const output = new OutputTail(keyPems);
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => output.add(chunk));
  const ended = endOf(child);
  const over = new AbortController();
  try {
    const deadline = clock.sleep(timeoutMs, AbortSignal.any([signal, over.signal])).then(
      () => 'timeout' as const,
      () => 'aborted' as const,
    );
    const first = await Promise.race([ended, deadline]);
    if (typeof first === 'string') {
      const how = await endGroup(child, ended, clock);
      signal.throwIfAborted();
      throw new CertplaneError(
        'output.reload-timeout',
        `The reload command ${program} did not end within ${timeoutMs / 1000} s and ${how}.${output.sentence()}`,
      );
    }
    await drain(child);
    const failure = failureOf(first);
    if (failure === undefined) return;
    throw new CertplaneError('output.reload-failed', `The reload command ${program} ${failure}.${output.sentence()}`, {
      cause: first.error,
    });
  } finally {
    over.abort();
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

function start(program: string, args: readonly string[]): ChildProcess {
  const { PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME = '/' } = process.env;
  try {
    return spawn(program, args, {
      detached: true, // a process group of its own
      env: { PATH, HOME, LANG: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (cause) {
    throw new CertplaneError('output.reload-failed', `The reload command "${program}" cannot be started.`, { cause });
  }
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/** 'exit', not 'close': a process left in the background may hold the pipes open for ever. */
async function endOf(child: ChildProcess): Promise<End> {
  return await new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => resolve({ code: null, signal: null, error }));
  });
}

function failureOf({ code, signal, error }: End): string | undefined {
  if (error !== undefined) {
    const { code: reason } = error as NodeJS.ErrnoException;
    if (reason === 'ENOENT') return 'was not found';
    return reason === 'EACCES' ? 'was not found or may not be executed' : `could not be started (${error.message})`;
  }
  if (signal !== null) return `was ended by ${signal}`;
  return code === 0 ? undefined : `ended with exit code ${code}`;
}

/** SIGTERM to the whole group, then SIGKILL; resolves what became of it, for a sentence. */
export async function endGroup(
  child: Pick<ChildProcess, 'pid' | 'unref'>,
  ended: Promise<unknown>,
  clock: Clock,
): Promise<string> {
  signalGroup(child, 'SIGTERM');
  await endsWithin(graceMs, ended, clock);
  if (!signalGroup(child, 'SIGKILL')) return 'could not be stopped (it runs as another user)';
  if (await endsWithin(killMs, ended, clock)) return 'was stopped';
  child.unref(); // it must not keep this process
  return `is still there although it was killed (process ${child.pid} waits in the kernel, for a disk perhaps)`;
}

async function endsWithin(ms: number, ended: Promise<unknown>, clock: Clock): Promise<boolean> {
  const over = new AbortController();
  const late = clock.sleep(ms, over.signal).then(
    () => false,
    () => true,
  );
  const first = await Promise.race([ended.then(() => true), late]);
  over.abort();
  return first;
}

/** False when the group belongs to another user (a command that uses sudo). */
function signalGroup({ pid }: Pick<ChildProcess, 'pid'>, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return true;
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return true; // ended meanwhile
    if (code === 'EPERM') return false;
    throw error;
  }
}

/** What the command wrote before it ended is in the pipes by now; a few turns read it. */
async function drain(child: ChildProcess): Promise<void> {
  const streams = [child.stdout, child.stderr];
  for (let turns = 0; turns < 10; turns += 1) {
    if (streams.every((stream) => stream === null || stream.readableEnded)) return;
    await turn();
  }
}

/** The end of what a command printed, without secrets. */
class OutputTail {
  readonly #keyLines: readonly string[];
  #bytes = Buffer.alloc(0);
  #cut = false;

  constructor(keyPems: readonly string[] = []) {
    const lines = keyPems.flatMap((pem) => pem.split('\n'));
    this.#keyLines = lines.filter((line) => line.length >= 16 && !line.startsWith('-----'));
  }

  add(chunk: Buffer): void {
    const all = Buffer.concat([this.#bytes, chunk]);
    this.#cut ||= all.length > keptBytes;
    this.#bytes = all.subarray(-keptBytes);
  }

  sentence(): string {
    // Control characters could repaint the terminal of whoever reads the message.
    let text = this.#bytes.toString('utf8').replaceAll(/[^\P{C}\n\t]/gu, '');
    // Whole blocks first, then single lines of the key, wherever the block was taken apart.
    text = scrubSecrets(text);
    for (const line of this.#keyLines) text = text.replaceAll(line, removed);
    text = text.trim();
    if (text === '') return ' It printed nothing.';
    const cut = this.#cut || text.length > shownCharacters;
    return `${cut ? ' The end of its output:' : ' Its output:'}\n${text.slice(-shownCharacters)}`;
  }
}
