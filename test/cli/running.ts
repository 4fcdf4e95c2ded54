import { main } from '../../src/cli/main.ts';

export interface CliRun {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Whether both streams are terminals. */
  terminal?: boolean;
  now?: number;
  signal?: AbortSignal;
  /** Called with what standard error has so far. */
  onStderr?: (text: string) => void;
}

export const cliNow = Date.parse('2026-01-01T00:00:00Z');

/** The whole command line in this process. */
export async function cli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const { env = {}, cwd = '/', terminal = false, now = cliNow, signal = new AbortController().signal } = options;
  let stdout = '';
  let stderr = '';
  const code = await main(argv, {
    stdout: { write: (text) => (stdout += text), isTTY: terminal, columns: 80 },
    stderr: {
      write(text) {
        stderr += text;
        options.onStderr?.(stderr);
      },
      isTTY: terminal,
      columns: 80,
    },
    env,
    cwd,
    now: () => now,
    interrupted: () => signal,
  });
  return { code, stdout, stderr };
}
