/** Lines into a file or to standard output, without ever making a request wait. */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { Account } from '../../core/accounts.ts';

const openAsync = promisify(fs.open);
const closeAsync = promisify(fs.close);
const writeAsync = promisify(fs.write);
const statAsync = promisify(fs.stat);
const fstatAsync = promisify(fs.fstat);

/** Of a file that is made. */
const mode = 0o640;

/** Standard output, opened by whoever started the process. */
const standardOutput = 1;
/** PIPE_BUF: what the kernel writes to a pipe as one. More than that is mixed with what other workers write when it is full. */
const atomicBytes = 4_096;
/** Lines wait at most this long for others to go out with. */
const gatherMs = 200;
/** More than this waiting for a slow disk is dropped, and counted. */
const mostWaiting = 4 * 1_048_576;
/** Whether the file has been moved away (logrotate) is looked at this often, while something is written. */
const lookMs = 5_000;

export interface LineWriterOptions {
  /** Absolute; appended to, made 0640 where there is none. Undefined: standard output. */
  readonly file: string | undefined;
  /** Lines were dropped, or writing failed. At most once for each time it begins. */
  onTrouble(message: string): void;
}

export class LineWriter {
  readonly #options: LineWriterOptions;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #fd: number | undefined;
  #lookedAt = 0;
  #troubled = false;
  #closed = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
  }

  /** `line` ends in a line feed. */
  write(line: string): void {
    if (this.#closed) return;
    if (this.#waitingBytes > mostWaiting) {
      this.#trouble('The access log is slower than the requests; lines are left out.');
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#writing ??= this.#flush();
    }, gatherMs);
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#writing;
    await this.#flush();
    await this.#close();
  }

  /** Opens the file at once; where there was none, it is made for `owner`. */
  open({ uid, gid }: Account): void {
    const { file } = this.#options;
    if (file === undefined || this.#fd !== undefined) return;
    try {
      this.#fd = openOrMake(file, { uid, gid });
    } catch (error) {
      this.#failed(error);
    }
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        const target = await this.#target();
        const pieces = target === standardOutput ? inPieces(lines) : [lines.join('')];
        for (const piece of pieces) await writeAll(target, Buffer.from(piece));
        this.#troubled = false;
      } catch (error) {
        this.#failed(error);
      }
      this.#waitingBytes = this.#waiting.reduce((sum, line) => sum + line.length, 0);
    }
    this.#writing = undefined;
  }

  async #target(): Promise<number> {
    const { file } = this.#options;
    if (file === undefined) return standardOutput;
    const now = performance.now();
    if (this.#fd !== undefined && now - this.#lookedAt > lookMs) {
      this.#lookedAt = now;
      if (!(await isSame(this.#fd, file))) await this.#close();
    }
    this.#fd ??= await openAsync(file, 'a', mode);
    return this.#fd;
  }

  async #close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await closeAsync(fd);
  }

  #failed(error: unknown): void {
    this.#trouble(`The access log cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }

  #trouble(message: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.onTrouble(message);
  }
}

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = fs.constants;

/**
 * Undefined for what is no plain file: whoever may write to the directory could lead rights other than theirs elsewhere,
 * so that is opened when they are given up.
 */
function openOrMake(file: string, { uid, gid }: Account): number | undefined {
  const append = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;
  let fd: number;
  try {
    fd = fs.openSync(file, append | O_CREAT | O_EXCL, mode);
    fs.fchownSync(fd, uid, gid);
    return fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (!fs.lstatSync(file).isFile()) return undefined;
  fd = fs.openSync(file, append);
  if (fs.fstatSync(fd).isFile()) return fd;
  fs.closeSync(fd);
  return undefined;
}

/** Whole lines that go out together, as many as are written as one; a line that is longer is alone. */
function inPieces(lines: readonly string[]): string[] {
  const pieces: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const line of lines) {
    const length = Buffer.byteLength(line);
    if (bytes + length > atomicBytes && piece !== '') {
      pieces.push(piece);
      piece = '';
      bytes = 0;
    }
    piece += line;
    bytes += length;
  }
  return piece === '' ? pieces : [...pieces, piece];
}

async function isSame(fd: number, file: string): Promise<boolean> {
  try {
    const [here, there] = [await fstatAsync(fd), await statAsync(file)];
    return here.ino === there.ino && here.dev === there.dev;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code === 'EACCES') return true; // opened with more rights than there are now: it could not be had again
    throw error;
  }
}

async function writeAll(fd: number, data: Buffer): Promise<void> {
  for (let done = 0; done < data.length;) {
    try {
      done += (await writeAsync(fd, data, done, data.length - done)).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // a full pipe that does not block
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
