/** The admin page behind the terminator, and addresses that two listeners cannot share. */
import type { CertificateSpec } from '../core/certificate.ts';
import { formatAddress } from '../core/listen-address.ts';
import { backendDefaults, type Backend } from '../core/backend.ts';
import type { Route } from '../core/route.ts';
import type { ListenAddress, TerminatorSettings } from '../core/terminator.ts';
import type { IssuerConfig } from './model.ts';
import { formatPath, type Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { collide } from './values/addresses.ts';

export interface AdminRoute {
  readonly route: Route & { readonly action: { readonly kind: 'proxy' } };
  readonly backend: Backend;
}

/** A route to the admin page for the hosts that have no route of their own at `/`, and the backend that it names. */
export function adminRoute(
  hosts: readonly string[],
  listen: ListenAddress,
  routes: readonly Route[],
): AdminRoute | undefined {
  const routed = new Set(routes.filter(isForEverything).flatMap((route) => route.hosts));
  const open = hosts.filter((host) => !routed.has(host));
  if (open.length === 0) return undefined;
  const backend = `http://${formatAddress(listen)}`;
  return {
    route: {
      name: 'admin page',
      hosts: open,
      path: { kind: 'prefix', value: '/' },
      action: { kind: 'proxy', backend },
      http: 'redirect',
    },
    backend: { ...backendDefaults, endpoints: [{ ...listen, weight: 1 }] },
  };
}

function isForEverything({ path, methods, headers }: Route): boolean {
  return path.kind === 'prefix' && path.value === '/' && methods === undefined && headers === undefined;
}

export interface Listeners {
  readonly admin: ListenAddress;
  readonly metrics: ListenAddress | false | undefined;
  readonly terminator: TerminatorSettings | undefined;
  readonly issuers: readonly IssuerConfig[];
  /** Only what they use is ever opened. */
  readonly certificates: readonly Pick<CertificateSpec, 'issuers'>[];
}

export interface Listener {
  readonly path: Path;
  readonly listen: ListenAddress;
}

/** Every address that the configuration opens, with the option it comes from. */
export function listenersOf({ admin, metrics, terminator, issuers, certificates }: Listeners): Listener[] {
  const used = new Set(certificates.flatMap((one) => one.issuers));
  return [
    ...one(admin, 'admin', 'listen'),
    ...one(metrics, 'metrics', 'listen'),
    ...one(terminator?.metrics, 'metrics', 'terminator'),
    ...(terminator?.https ?? []).flatMap((listen) => one(listen, 'terminator', 'https', 'listen')),
    ...(terminator?.http ?? []).flatMap((listen) => one(listen, 'terminator', 'http', 'listen')),
    ...((terminator?.http.length ?? 0) > 0 ? [] : solverListeners(issuers.filter(({ name }) => used.has(name)))),
  ];
}

/** Where challenges are answered when no terminator does it; solvers of one address share it. */
function solverListeners(issuers: readonly IssuerConfig[]): Listener[] {
  const byAddress = new Map<string, Listener>();
  for (const issuer of issuers) {
    if (issuer.kind !== 'acme') continue;
    for (const [i, { listen }] of issuer.solvers.entries()) {
      const path = ['issuers', issuer.name, 'acme', 'solvers', i, 'http01', 'listen'];
      if (!byAddress.has(formatAddress(listen))) byAddress.set(formatAddress(listen), { path, listen });
    }
  }
  return [...byAddress.values()];
}

function one(listen: ListenAddress | false | undefined, ...path: string[]): Listener[] {
  return listen === false || listen === undefined ? [] : [{ path, listen }];
}

export function checkListeners(listeners: Listeners, problems: ProblemList): void {
  const all = listenersOf(listeners);
  for (const [i, { path, listen }] of all.entries()) {
    const other = all.slice(0, i).find((before) => collide(before.listen, listen));
    if (other === undefined) continue;
    const message = `${formatAddress(listen)} cannot be opened together with ${formatAddress(other.listen)} of ${formatPath(other.path)}; write another port.`;
    problems.error(path, message);
  }
}
