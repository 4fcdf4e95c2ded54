import { toCertplaneError } from '../../core/errors.ts';
import { normaliseName, wildcardFor } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';
import { compileRoute, type CompiledRoute } from './compiled-route.ts';
import { HostRoutes, type MatchedRequest, type Misses } from './host-routes.ts';
import type { RequestPath } from './request-path.ts';

/** Why no route is for a request. */
export type NoRoute =
  | 'unknown-host'
  | 'no-route'
  /** Readers of the path disagree, and it matters: see `request-path.ts`. */
  | 'ambiguous-path'
  /** Too long to be matched against patterns. */
  | 'path-too-long'
  /** A route of this host is refused (`RouteTable.problems`). */
  | 'refused-host'
  /** Routes match but for their methods, which are these. */
  | { readonly allow: readonly string[] };

/**
 * A route that cannot be used, and why. Requests for it are answered 503; where it is not even known which those are,
 * all requests for its hosts are, because the missing route could be one that forbids.
 */
export interface RouteProblem {
  readonly route: string;
  readonly hosts: readonly string[];
  readonly message: string;
}

export interface RouteTable {
  readonly problems: readonly RouteProblem[];
  find(host: string, path: RequestPath, request: MatchedRequest): CompiledRoute | NoRoute;
  /** Whether any route for the host is not served over plain http. */
  leadsToHttps(host: string): boolean;
}

/**
 * Exact host before one-label wildcard; a request that no route of the exact host takes falls through to the wildcard.
 * Inside a host see `HostRoutes`. Routes of one host may come from several entries. `backends`: those that exist.
 */
export function compileRoutes(routes: readonly Route[], backends: Readonly<Record<string, unknown>>): RouteTable {
  const hosts = new Map<string, HostRoutes>();
  const problems: RouteProblem[] = [];
  const hostsOf = (route: Route): HostRoutes[] =>
    route.hosts.map((name) => {
      const host = normaliseName(name) ?? name.toLowerCase();
      let entry = hosts.get(host);
      if (entry === undefined) hosts.set(host, (entry = new HostRoutes()));
      return entry;
    });
  for (const route of routes) {
    try {
      const compiled = compileRoute(route, backends);
      if (!compiled.usable)
        problems.push({ route: route.name, hosts: route.hosts, message: 'Its backend does not exist.' });
      for (const host of hostsOf(route)) host.add(route.path.kind, compiled);
    } catch (error) {
      const { message } = toCertplaneError(error, 'config.invalid');
      problems.push({ route: route.name, hosts: route.hosts, message });
      for (const host of hostsOf(route)) host.refused = true;
    }
  }
  for (const host of hosts.values()) host.seal();
  return new Table(hosts, problems);
}

class Table implements RouteTable {
  readonly problems: readonly RouteProblem[];
  readonly #hosts: ReadonlyMap<string, HostRoutes>;

  constructor(hosts: ReadonlyMap<string, HostRoutes>, problems: readonly RouteProblem[]) {
    this.#hosts = hosts;
    this.problems = problems;
  }

  leadsToHttps(host: string): boolean {
    return this.#hosts.get(host)?.leadsToHttps === true || this.#wide(host)?.leadsToHttps === true;
  }

  find(host: string, path: RequestPath, request: MatchedRequest): CompiledRoute | NoRoute {
    const exact = this.#hosts.get(host);
    if (exact?.only !== undefined) return exact.only; // most hosts
    const wide = this.#wide(host);
    if (exact === undefined && wide === undefined) return 'unknown-host';
    if (exact === undefined && wide?.only !== undefined) return wide.only;
    return this.#search(
      [exact, wide].filter((one) => one !== undefined),
      path,
      request,
    );
  }

  #search(hosts: readonly HostRoutes[], path: RequestPath, request: MatchedRequest): CompiledRoute | NoRoute {
    const misses: Misses = { methods: undefined };
    // RFC 9110 §9.3.7: `OPTIONS *` asks about the server as a whole.
    const literal = path.path === '*' ? '/' : path.path;
    let unclear = false;
    for (const [i, host] of hosts.entries()) {
      if (host.refused) return 'refused-host';
      if (literal.length > host.longestPath) return 'path-too-long';
      unclear ||= host.unclear;
      const found = host.match(literal, request, misses);
      if (found === undefined) continue;
      if (path.lenient === undefined) return found;
      // Where every route has a clear path, no reading between these two leads elsewhere than they do. Otherwise one
      // could, unless there are only two.
      if (path.readings === 'any' || (unclear && path.readings === 'between')) return 'ambiguous-path';
      const other = firstMatch(hosts.slice(0, i + 1), path.lenient, request, misses);
      return other === found ? found : 'ambiguous-path';
    }
    return misses.methods === undefined ? 'no-route' : { allow: [...misses.methods] };
  }

  #wide(host: string): HostRoutes | undefined {
    const wildcard = wildcardFor(host);
    return wildcard === undefined ? undefined : this.#hosts.get(wildcard);
  }
}

function firstMatch(
  hosts: readonly HostRoutes[],
  path: string,
  request: MatchedRequest,
  misses: Misses,
): CompiledRoute | undefined {
  for (const host of hosts) {
    const found = host.match(path, request, misses);
    if (found !== undefined) return found;
  }
  return undefined;
}
