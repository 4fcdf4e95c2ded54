/** Problems of a configuration file as people read them: `file:line:column  path: what to write instead`. */
import type { ConfigProblem } from '../config/model.ts';

export function formatProblem(file: string, problem: ConfigProblem): string {
  const where = problem.line === undefined ? file : `${file}:${problem.line}${problem.column === undefined ? '' : `:${problem.column}`}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${where}: ${problem.severity}: ${path}${problem.message}`;
}

/** On standard error, errors first. */
export function reportProblems(file: string, problems: readonly ConfigProblem[]): void {
  const ordered = problems.toSorted((a, b) => a.severity.localeCompare(b.severity));
  for (const problem of ordered) process.stderr.write(`${formatProblem(file, problem)}\n`);
}
