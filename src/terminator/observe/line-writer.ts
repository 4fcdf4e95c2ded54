/** Lines into a file or to standard output, without ever making a request wait. */
import { open, type FileHandle } from 'node:fs/promises';
import { stat, write as writeTo } from 'node:fs';
import { promisify } from 'node:util';

const writeAsync = promisify(writeTo);
const statAsync = promisify(stat);

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
  #handle: FileHandle | undefined;
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
    await this.#handle?.close();
    this.#handle = undefined;
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
        this.#trouble(`The access log cannot be written: ${error instanceof Error ? error.message : String(error)}`);
      }
      this.#waitingBytes = this.#waiting.reduce((sum, line) => sum + line.length, 0);
    }
    this.#writing = undefined;
  }

  async #target(): Promise<number> {
    const { file } = this.#options;
    if (file === undefined) return standardOutput;
    const now = performance.now();
    if (this.#handle !== undefined && now - this.#lookedAt > lookMs) {
      this.#lookedAt = now;
      if (!(await isSame(this.#handle, file))) {
        await this.#handle.close();
        this.#handle = undefined;
      }
    }
    this.#handle ??= await open(file, 'a', 0o640);
    return this.#handle.fd;
  }

  #trouble(message: string): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.onTrouble(message);
  }
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

async function isSame(handle: FileHandle, file: string): Promise<boolean> {
  try {
    const [here, there] = [await handle.stat(), await statAsync(file)];
    return here.ino === there.ino && here.dev === there.dev;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
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
