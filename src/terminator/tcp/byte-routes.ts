import { normaliseName, wildcardFor } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';

/** Which hosts are not spoken HTTP to. A host with any route of its own is not its wildcard's. */
export interface ByteRoutes {
  /** The backend that gets the TLS connection unread. */
  passthroughFor(host: string): string | undefined;
  /** The backend that gets what is inside. */
  tcpFor(host: string): string | undefined;
}

type ByteAction = Extract<Route['action'], { kind: 'tcp' | 'passthrough' }>;

const none: ByteRoutes = { passthroughFor: () => undefined, tcpFor: () => undefined };

/** Names are compared in their canonical form; of several routes for one host the first counts. */
export function compileByteRoutes(routes: readonly Route[]): ByteRoutes {
  const hosts = new Map<string, ByteAction | undefined>();
  let any = false;
  for (const { hosts: names, action } of routes) {
    const bytes = action.kind === 'tcp' || action.kind === 'passthrough' ? action : undefined;
    any ||= bytes !== undefined;
    for (const name of names) {
      const host = normaliseName(name) ?? name.toLowerCase();
      if (!hosts.has(host)) hosts.set(host, bytes);
    }
  }
  if (!any) return none;
  const backendFor = (kind: ByteAction['kind'], host: string): string | undefined => {
    const action = hosts.has(host) ? hosts.get(host) : hosts.get(wildcardFor(host) ?? host);
    return action?.kind === kind ? action.backend : undefined;
  };
  return {
    passthroughFor: (host) => backendFor('passthrough', host),
    tcpFor: (host) => backendFor('tcp', host),
  };
}
