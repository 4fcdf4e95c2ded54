/** Which hosts of routes a certificate is for. Asked for each version that comes, of which there may be very many at once. */
import { wildcardFor } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';

/** Of one set of routes: hosts by the names in a certificate that cover them. */
const indexes = new WeakMap<readonly Route[], ReadonlyMap<string, readonly string[]>>();

/** The routes' hosts that the names cover, each once. */
export function routedHosts(routes: readonly Route[], names: readonly string[]): readonly string[] {
  let index = indexes.get(routes);
  if (index === undefined) indexes.set(routes, (index = indexOf(routes)));
  const hosts = new Set<string>();
  for (const name of names) for (const host of index.get(name) ?? []) hosts.add(host);
  return [...hosts];
}

function indexOf(routes: readonly Route[]): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const host of new Set(routes.flatMap((route) => route.hosts))) {
    for (const name of new Set([host, wildcardFor(host) ?? host])) {
      const covered = index.get(name);
      if (covered === undefined) index.set(name, [host]);
      else covered.push(host);
    }
  }
  return index;
}
