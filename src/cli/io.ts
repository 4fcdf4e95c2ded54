/** What a command reads and writes, so that tests can run it in process. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface CliIo {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends with Ctrl-C or SIGTERM; asked for only by commands that do not handle signals themselves. */
  interrupted(): AbortSignal;
}

export function processIo(): CliIo {
  let interrupt: AbortController | undefined;
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    now: () => Date.now(),
    interrupted() {
      if (interrupt === undefined) {
        const controller = new AbortController();
        interrupt = controller;
        // Once: a second Ctrl-C ends the process the hard way.
        process.once('SIGINT', () => controller.abort());
        process.once('SIGTERM', () => controller.abort());
      }
      return interrupt.signal;
    },
  };
}
