/** Collecting every problem of a file, and writing them down for people. */
import { CertplaneError } from '../core/errors.ts';
import type { ConfigProblem } from './model.ts';
import { formatPath, type Path, type Position } from './position.ts';

export class ProblemList {
  readonly #locate: (path: Path, what: 'key' | 'value') => Position | undefined;
  readonly #problems: ConfigProblem[] = [];
  #errors = 0;

  constructor(locate: (path: Path, what: 'key' | 'value') => Position | undefined) {
    this.#locate = locate;
  }

  /** How many errors there are so far. */
  get errors(): number {
    return this.#errors;
  }

  /** `what` says whether the line of the key or of the value is meant. */
  error(path: Path, message: string, what: 'key' | 'value' = 'value'): void {
    this.add([{ path: formatPath(path), ...this.#locate(path, what), message, severity: 'error' }]);
  }

  warning(path: Path, message: string): void {
    this.add([{ path: formatPath(path), ...this.#locate(path, 'value'), message, severity: 'warning' }]);
  }

  add(problems: readonly ConfigProblem[]): void {
    for (const problem of problems) {
      this.#problems.push(problem);
      if (problem.severity === 'error') this.#errors += 1;
    }
  }

  /** In the order of the file. */
  sorted(): readonly ConfigProblem[] {
    return this.#problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  }
}

/** `certplane.yaml:12:5: error: certificates.shop.lifetime: …` */
export function formatProblem(file: string, { path, line, column, message, severity }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}: ${severity}: ${path === '' ? '' : `${path}: `}${message}`;
}

const mostListed = 20;

/** `config.invalid` with the errors of a file in its message. */
export function configInvalid(file: string, problems: readonly ConfigProblem[]): CertplaneError {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const lines = errors.slice(0, mostListed).map((problem) => formatProblem(file, problem));
  if (errors.length > mostListed) lines.push(`… and ${errors.length - mostListed} more`);
  const count = errors.length === 1 ? 'one problem' : `${errors.length} problems`;
  return new CertplaneError('config.invalid', `${file} has ${count}:\n${lines.join('\n')}`);
}
