import { normaliseName, wildcardFor } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';

export interface RouteTable {
  /** The route for a host (as `hostOfAuthority` gives it) and a request target; why there is none otherwise. */
  find(host: string, target: string): Route | 'unknown-host' | 'no-route';
  /** Whether any route asks for the host. */
  knows(host: string): boolean;
}

interface PathRoute {
  /** Without a trailing slash; empty for `/`. */
  readonly prefix: string;
  readonly route: Route;
}

/**
 * Exact host before one-label wildcard; inside a host the longest path prefix, by path element. A host with no fitting
 * path falls through to the wildcard. Routes of one host may come from several entries.
 */
export function compileRoutes(routes: readonly Route[]): RouteTable {
  const hosts = new Map<string, PathRoute[]>();
  for (const route of routes) {
    const prefix = route.path.value.replace(/\/+$/, '');
    for (const name of route.hosts) {
      const host = normaliseName(name) ?? name.toLowerCase();
      const list = hosts.get(host) ?? [];
      list.push({ prefix, route });
      hosts.set(host, list);
    }
  }
  for (const list of hosts.values()) list.sort((a, b) => b.prefix.length - a.prefix.length);
  return {
    find(host, target) {
      const exact = hosts.get(host);
      const wildcard = wildcardFor(host);
      const wide = wildcard === undefined ? undefined : hosts.get(wildcard);
      if (exact === undefined && wide === undefined) return 'unknown-host';
      const query = target.indexOf('?');
      const path = query < 0 ? target : target.slice(0, query);
      return longest(exact, path) ?? longest(wide, path) ?? 'no-route';
    },
    knows(host) {
      const wildcard = wildcardFor(host);
      return hosts.has(host) || (wildcard !== undefined && hosts.has(wildcard));
    },
  };
}

function longest(list: readonly PathRoute[] | undefined, path: string): Route | undefined {
  return list?.find(({ prefix }) => prefix === '' || path === prefix || path.startsWith(`${prefix}/`))?.route;
}
