import { headersFit, type CompiledRoute } from './compiled-route.ts';
import { compilePattern, longestPathFor, statesOf } from './path-pattern.ts';
import { normalise } from './request-path.ts';
import type { PathMatch } from '../../core/route.ts';

/** What a route may ask of a request besides its path. */
export interface MatchedRequest {
  readonly method: string;
  readonly headers: readonly string[];
}

/** Methods of routes that would have matched but for the method; a new one for each search. */
export interface Misses {
  methods: Set<string> | undefined;
}

/** Candidates for one path, best first. */
type Candidates = CompiledRoute[];

/** The routes of one host. Lookups cost a step for each length that its prefixes have, and one for each pattern. */
export class HostRoutes {
  /** Set when every request gets the same route, whatever its path. */
  only: CompiledRoute | undefined;
  /** A route of this host could not be compiled: none of them may be used, because it may have been the one that forbids. */
  refused = false;
  /** Longer paths are not matched against its patterns. */
  longestPath = Infinity;
  /** At least one route is not served over plain http. */
  leadsToHttps = false;
  /** A pattern, or a path of a route that itself can be read in two ways. */
  unclear = false;
  readonly #exact = new Map<string, Candidates>();
  readonly #prefixes = new Map<string, Candidates>();
  /** Of the prefixes, longest first. */
  #lengths: number[] = [];
  /** Of all patterns. */
  #states = 0;
  readonly #patterns: { readonly pattern: RegExp; readonly route: CompiledRoute }[] = [];
  /** Routes for `/`: whatever nothing else takes. */
  readonly #root: Candidates = [];

  /** In the order in which routes are written. Throws `config.invalid` for a pattern. */
  add(kind: PathMatch['kind'], route: CompiledRoute): void {
    const { path } = route;
    this.leadsToHttps ||= route.http === 'redirect';
    if (kind === 'regex') {
      this.#patterns.push({ pattern: compilePattern(path), route });
      this.#states += statesOf(path);
      this.longestPath = longestPathFor(this.#states);
      this.unclear = true;
      return;
    }
    const normal = normalise(path);
    if (typeof normal === 'string' || normal.readings !== 'one') this.unclear = true;
    if (kind === 'prefix' && path === '') this.#root.push(route);
    else listIn(kind === 'exact' ? this.#exact : this.#prefixes, path).push(route);
  }

  /** Called once, when all routes are in. */
  seal(): void {
    for (const list of [...this.#exact.values(), ...this.#prefixes.values(), this.#root]) list.sort(byConditions);
    this.#patterns.sort((a, b) => byConditions(a.route, b.route));
    this.#lengths = [...new Set([...this.#prefixes.keys()].map(({ length }) => length))].toSorted((a, b) => b - a);
    const [first] = this.#root;
    const alone = this.#exact.size === 0 && this.#prefixes.size === 0 && this.#patterns.length === 0;
    if (alone && !this.refused && first?.methods === undefined && first?.headers === undefined) this.only = first;
  }

  /** Exact, then the longest prefix, then patterns, and last the prefix `/`, which takes everything. */
  match(path: string, request: MatchedRequest, misses: Misses): CompiledRoute | undefined {
    const exact = first(this.#exact.get(path), request, misses);
    if (exact !== undefined) return exact;
    for (const length of this.#lengths) {
      if (path.length !== length && path.charCodeAt(length) !== slash) continue;
      const found = first(this.#prefixes.get(path.slice(0, length)), request, misses);
      if (found !== undefined) return found;
    }
    for (const { pattern, route } of this.#patterns)
      if (pattern.test(path) && accepts(route, request, misses)) return route;
    return first(this.#root, request, misses);
  }
}

const slash = 0x2f;

function listIn(map: Map<string, Candidates>, path: string): Candidates {
  let list = map.get(path);
  if (list === undefined) map.set(path, (list = []));
  return list;
}

/** More conditions first; sorting keeps the order of equal ones. */
function byConditions(a: CompiledRoute, b: CompiledRoute): number {
  return conditions(b) - conditions(a);
}

function conditions({ methods, headers }: CompiledRoute): number {
  return (methods === undefined ? 0 : 1) + (headers?.length ?? 0);
}

function first(list: Candidates | undefined, request: MatchedRequest, misses: Misses): CompiledRoute | undefined {
  if (list === undefined) return undefined;
  for (const route of list) if (accepts(route, request, misses)) return route;
  return undefined;
}

function accepts({ methods, headers }: CompiledRoute, request: MatchedRequest, misses: Misses): boolean {
  if (headers !== undefined && !headersFit(headers, request.headers)) return false;
  if (methods === undefined || methods.includes(request.method)) return true;
  misses.methods ??= new Set();
  for (const method of methods) misses.methods.add(method);
  return false;
}
