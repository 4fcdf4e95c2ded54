import type { Http01SolverConfig } from '../config/model.ts';
import { isWildcard } from '../core/names.ts';

/**
 * Which of an issuer's solvers is for a name: one that lists it, else the one with the longest zone around it, else one
 * for every name. None for wildcards, which http-01 cannot prove.
 */
export function solverForName(solvers: readonly Http01SolverConfig[], dnsName: string): Http01SolverConfig | undefined {
  if (isWildcard(dnsName)) return undefined;
  const zone = (solver: Http01SolverConfig) =>
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
