/** How a command ends: exit codes, and errors as people or machines read them. */
import { CertplaneError, isAbort, toCertplaneError } from '../core/errors.ts';
import { timeText } from '../core/time-text.ts';
import type { CliIo } from './io.ts';
import { cleanLines, painter } from './text.ts';

/** Stable: scripts rely on them. */
export const exitCodes = { ok: 0, problem: 1, usage: 2 } as const;

export type ExitCode = 0 | 1 | 2;

/** The command line itself is wrong. */
export function usageError(message: string): CertplaneError {
  return new CertplaneError('cli.usage', message);
}

/** On standard error: `certplane: <message> [code]`, or with --json one object. */
export function reportFailure(error: unknown, io: CliIo, json: boolean): ExitCode {
  const failure = isAbort(error)
    ? new CertplaneError('process.aborted', 'Stopped before it was done.', { cause: error })
    : toCertplaneError(error);
  const { code, message, retryAt } = failure;
  if (json) {
    const retry = retryAt === undefined ? {} : { retryAt: new Date(retryAt).toISOString() };
    io.stderr.write(`${JSON.stringify({ error: { code, message, ...retry } })}\n`);
  } else {
    const [first = '', ...rest] = cleanLines(message).split('\n');
    const wait = retryAt === undefined ? '' : ` Try again after ${timeText(retryAt)}.`;
    const paint = painter(io.stderr, io.env);
    const head = `certplane: ${first}${wait} ${paint('dim', `[${code}]`)}`;
    io.stderr.write(`${[head, ...rest].join('\n').trimEnd()}\n`);
  }
  return code === 'cli.usage' ? exitCodes.usage : exitCodes.problem;
}

/** What a service ended with, as one of our exit codes. */
export function serviceExit(code: number): ExitCode {
  return code === 0 || code === 2 ? code : exitCodes.problem;
}
