import type { Http01SolverConfig, IssuerConfig } from '../config/model.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import { solverForName } from '../core/solver-selection.ts';
import { createAcmeIssuer } from './acme-issuer.ts';
import { createCaIssuer } from './ca-issuer.ts';
import { createSelfSignedIssuer } from './self-signed-issuer.ts';

export interface IssuerDeps {
  readonly store: CertificateStore;
  /** The solver behind a configured one: the terminator, or an own listener where none runs. */
  readonly solver: (config: Http01SolverConfig) => ChallengeSolver;
  readonly clock: Clock;
  readonly log: Log;
}

/** The issuer of a configuration entry. Disposing ends what it holds open. */
export function createIssuer(config: IssuerConfig, deps: IssuerDeps): Issuer & Partial<AsyncDisposable> {
  switch (config.kind) {
    case 'acme':
      return createAcmeIssuer({
        ...deps,
        config,
        solverFor: (dnsName) => {
          const chosen = solverForName(config.solvers, dnsName);
          return chosen === undefined ? undefined : deps.solver(chosen);
        },
      });
    case 'ca':
      return createCaIssuer({ ...deps, config });
    case 'selfSigned':
      return createSelfSignedIssuer({ ...deps, config });
  }
}
