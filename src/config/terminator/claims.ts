/** Which route has which requests, so that none of them is out of reach. */
import type { HeaderMatch, PathMatch } from '../../core/route.ts';
import { formatPath, type Path } from '../position.ts';
import type { ProblemList } from '../problems.ts';

export interface Claim {
  readonly path: PathMatch;
  readonly methods?: readonly string[] | undefined;
  readonly headers?: readonly HeaderMatch[] | undefined;
  /** The host is the route's alone. */
  readonly whole: boolean;
}

export class Claims {
  readonly #problems: ProblemList;
  readonly #same = new Map<string, Path>();
  readonly #hosts = new Map<string, { readonly at: Path; readonly whole: boolean }>();

  constructor(problems: ProblemList) {
    this.#problems = problems;
  }

  /** `quiet`: something else is wrong with the route, so that this may be wrong, too. */
  add(host: string, claim: Claim, { at, quiet }: { at: Path; quiet: boolean }): void {
    const message = this.#conflict(host, claim, at);
    if (message !== undefined && !quiet) this.#problems.error(at, message);
  }

  #conflict(host: string, { path, methods, headers, whole }: Claim, at: Path): string | undefined {
    const key = JSON.stringify([host, path.kind, path.value, methods?.toSorted(), headers]);
    const same = this.#same.get(key);
    if (same !== undefined) {
      const narrowed = methods !== undefined || headers !== undefined ? ', for the same methods and headers,' : '';
      return `${host} with path ${path.value}${narrowed} is already routed by ${formatPath(same)}; write another path, or leave one out.`;
    }
    this.#same.set(key, at);
    const other = this.#hosts.get(host);
    if (other === undefined) this.#hosts.set(host, { at, whole });
    else if (other.whole || whole) {
      return `${host} is already routed by ${formatPath(other.at)}, and a tcp or passthrough route has its hosts for itself; leave it out of one of them.`;
    }
    return undefined;
  }
}
