/**
 * One reason chain: doctor, API, UI and Kubernetes events print the results of the same ordered checks.
 * Each part contributes the checks of its own link; the first one that is not `ok` is the answer to "why".
 */

/** In the order of the flow. */
export const links = ['config', 'state', 'issuer', 'issuance', 'delivery', 'terminator', 'served'] as const;
export type Link = (typeof links)[number];

export interface CheckResult {
  readonly link: Link;
  /** What was looked at, as a person would call it. */
  readonly title: string;
  readonly verdict: 'ok' | 'waiting' | 'problem' | 'skipped';
  /** A reason or error code. */
  readonly code: string;
  readonly message: string;
  /** What to do about it; for problems. */
  readonly advice?: string | undefined;
}

/** `Subject` is what a check is about: nothing (the installation), or one certificate. */
export interface Check<Subject = undefined> {
  readonly link: Link;
  readonly title: string;
  /** Never throws but for abort: what fails is a `problem`. */
  run(subject: Subject, signal: AbortSignal): Promise<CheckResult>;
}

/** Runs checks in the order of their links, and in the given order within a link. */
export async function runChecks<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const ordered = checks.toSorted((a, b) => links.indexOf(a.link) - links.indexOf(b.link));
  const results: CheckResult[] = [];
  for (const check of ordered) results.push(await check.run(subject, signal));
  return results;
}
