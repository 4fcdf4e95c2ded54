import { isWildcard } from './names.ts';

/** What a solver says of the names it is for. */
export interface SolverScope {
  readonly dnsNames?: readonly string[] | undefined;
  readonly dnsZones?: readonly string[] | undefined;
}

/**
 * Which of an issuer's solvers is for a name: one that lists it, else the one with the longest zone around it, else one
 * for every name. None for wildcards, which http-01 cannot prove.
 */
export function solverForName<T extends SolverScope>(solvers: readonly T[], dnsName: string): T | undefined {
  if (isWildcard(dnsName)) return undefined;
  const zone = (solver: T): number =>
    Math.max(
      0,
      ...(solver.dnsZones ?? [])
        .filter((one) => dnsName === one || dnsName.endsWith(`.${one}`))
        .map((one) => one.length),
    );
  return (
    solvers.find((solver) => solver.dnsNames?.includes(dnsName) === true) ??
    solvers.filter((solver) => zone(solver) > 0).toSorted((a, b) => zone(b) - zone(a))[0] ??
    solvers.find((solver) => solver.dnsNames === undefined && solver.dnsZones === undefined)
  );
}
