/** The admin page behind the terminator, and addresses that two listeners cannot share. */
import { formatAddress } from '../core/listen-address.ts';
import type { ListenAddress, Route, TerminatorSettings } from '../core/route.ts';
import { formatPath, type Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { collide } from './values/addresses.ts';

/** A route to the admin page for the hosts that have no route of their own at `/`. */
export function adminRoute(
  hosts: readonly string[],
  listen: ListenAddress,
  routes: readonly Route[],
): Route | undefined {
  const routed = new Set(routes.filter(({ path }) => path === '/').flatMap((route) => route.hosts));
  const open = hosts.filter((host) => !routed.has(host));
  if (open.length === 0) return undefined;
  return { hosts: open, path: '/', action: { kind: 'proxy', origin: `http://${formatAddress(listen)}` } };
}

export interface Listeners {
  readonly admin: ListenAddress;
  readonly metrics: ListenAddress | false | undefined;
  readonly terminator: TerminatorSettings | undefined;
}

export interface Listener {
  readonly path: Path;
  readonly listen: ListenAddress;
}

/** Every address that the configuration opens, with the option it comes from. */
export function listenersOf({ admin, metrics, terminator }: Listeners): Listener[] {
  return [
    ...one(admin, 'admin', 'listen'),
    ...one(metrics, 'metrics', 'listen'),
    ...one(terminator?.metrics, 'metrics', 'terminator'),
    ...(terminator?.https ?? []).flatMap((listen) => one(listen, 'terminator', 'https', 'listen')),
    ...(terminator?.http ?? []).flatMap((listen) => one(listen, 'terminator', 'http', 'listen')),
  ];
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
