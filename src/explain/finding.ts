/** What a check finds, and the short ways to say it. */
import { adviceFor } from './advice.ts';
import type { Check, CheckResult, Link } from './check.ts';

export type Finding = Omit<CheckResult, 'link' | 'title'>;

export function check<Subject>(
  link: Link,
  title: string,
  find: (subject: Subject, signal: AbortSignal) => Finding | Promise<Finding>,
): Check<Subject> {
  return { link, title, run: async (subject, signal) => ({ link, title, ...(await find(subject, signal)) }) };
}

export const ok = (message: string, code = 'ok'): Finding => ({ verdict: 'ok', code, message });
export const skipped = (message: string): Finding => ({ verdict: 'skipped', code: 'not-applicable', message });
export const waiting = (code: string, message: string): Finding => ({ verdict: 'waiting', code, message });
export const problem = (code: string, message: string, advice = adviceFor(code)): Finding => ({
  verdict: 'problem',
  code,
  message,
  ...(advice === undefined ? {} : { advice }),
});

/** What a problem is about stands before its message, unless it is the beginning of that. */
export function aboutSubject(subject: string | null | undefined, message: string): string {
  return subject === undefined || subject === null || message.startsWith(subject) ? message : `${subject}: ${message}`;
}
