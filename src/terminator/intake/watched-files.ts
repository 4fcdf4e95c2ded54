import { open, stat, type FileHandle } from 'node:fs/promises';
import type { ErrorCode } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Problems } from './problems.ts';
import { wait } from './wait.ts';

export interface WatchedFilesDeps {
  readonly clock: Clock;
  readonly problems: Problems;
  /** What is wrong with a text, as a sentence that names no content; undefined: nothing. */
  check(path: string, text: string): string | undefined;
  /** The text of a watched file is another one. */
  onChange(): void;
}

export interface WatchedFilesOptions {
  /** First word of the problems' keys. */
  readonly name: string;
  readonly maxBytes: number;
}

interface Watched {
  /** The last good one. */
  text: string | undefined;
  /** Of what was looked at last, good or not. */
  signature: string | undefined;
}

const pollMs = 5_000;
const idleMs = 86_400_000;
const code: ErrorCode = 'terminator.file-unreadable';

/**
 * Text files that settings name. They are looked at every few seconds: a watch would miss what is renamed over them or
 * mounted anew. A text that cannot be read or is not good is a problem, and the last good one stays.
 */
export class WatchedFiles {
  readonly #deps: WatchedFilesDeps;
  readonly #options: WatchedFilesOptions;
  readonly #files = new Map<string, Watched>();
  /** There is something to look at. */
  #some = Promise.withResolvers<void>();

  constructor(deps: WatchedFilesDeps, options: WatchedFilesOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** By path: the last good text. One that has never been readable is missing. */
  get texts(): Readonly<Record<string, string>> {
    const known = [...this.#files].filter(([, { text }]) => text !== undefined);
    return Object.fromEntries(known.map(([path, { text }]) => [path, text as string]));
  }

  /** Watches these from now on, and no others. Resolves when new ones have been read; says nothing of their change. */
  async watch(paths: ReadonlySet<string>): Promise<void> {
    for (const path of this.#files.keys()) {
      if (paths.has(path)) continue;
      this.#files.delete(path);
      this.#deps.problems.clear(this.#key(path));
    }
    if (paths.size > 0) this.#some.resolve();
    else this.#some = Promise.withResolvers();
    const added = [...paths].filter((path) => !this.#files.has(path));
    for (const path of added) this.#files.set(path, { text: undefined, signature: undefined });
    await Promise.all(added.map((path) => this.#look(path)));
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      if (this.#files.size === 0) {
        if (!(await wait(clock, clock.now() + idleMs, { signal, wake: this.#some.promise }))) return;
        continue;
      }
      if (!(await wait(clock, clock.now() + pollMs, { signal }))) return;
      const changes = await Promise.all([...this.#files.keys()].map((path) => this.#look(path)));
      if (changes.includes(true)) this.#deps.onChange();
    }
  }

  /** True when there is another text. */
  async #look(path: string): Promise<boolean> {
    const watched = this.#files.get(path);
    if (watched === undefined) return false;
    const { problems } = this.#deps;
    const stays =
      watched.text === undefined ? 'Nothing that needs it is let through.' : 'What was read before stays in effect.';
    try {
      const found = await this.#read(path, watched.signature);
      if (found === 'unchanged') return false;
      const wrong = this.#deps.check(path, found.text);
      watched.signature = found.signature;
      if (wrong !== undefined) {
        problems.set(this.#key(path), { code, message: `${path}: ${wrong} ${stays}`, subject: path });
        return false;
      }
      problems.clear(this.#key(path));
      const changed = watched.text !== found.text;
      watched.text = found.text;
      return changed;
    } catch (error) {
      watched.signature = undefined;
      problems.set(this.#key(path), {
        code,
        message: `${path} cannot be read (${reasonOf(error)}). ${stays}`,
        subject: path,
      });
      return false;
    }
  }

  async #read(path: string, seen: string | undefined): Promise<{ text: string; signature: string } | 'unchanged'> {
    // Opening a pipe would wait for whoever writes into it.
    if (!(await stat(path)).isFile()) throw new Error('it is no file');
    await using file = await open(path, 'r');
    const before = await signatureOf(file);
    if (before === seen) return 'unchanged';
    const { maxBytes } = this.#options;
    const buffer = Buffer.alloc(Math.min((await file.stat()).size, maxBytes) + 1);
    let length = 0;
    for (let read = 1; read > 0 && length < buffer.length; length += read)
      read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
    if (length > maxBytes) throw new Error(`it has more than ${maxBytes} bytes`);
    // Written to in the meantime: the next look sees all of it.
    if ((await signatureOf(file)) !== before) return 'unchanged';
    return { text: buffer.toString('utf8', 0, length), signature: before };
  }

  #key(path: string): string {
    return `${this.#options.name} ${path}`;
  }
}

async function signatureOf(file: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeMs, ctimeMs } = await file.stat();
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ');
}

function reasonOf(error: unknown): string {
  const { code: errno, message } = error as NodeJS.ErrnoException;
  return errno ?? message;
}
