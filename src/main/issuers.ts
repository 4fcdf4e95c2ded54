/** Issuers by name, and who answers their challenges: the terminator where one is configured, a listener of our own otherwise. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHttp01Listener } from '../acme/http01-listener.ts';
import type { Config, Http01SolverConfig } from '../config/model.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { CaIssuer } from '../issue/ca-issuer.ts';
import { createIssuer } from '../issue/create-issuer.ts';

export interface IssuersDeps {
  readonly store: CertificateStore;
  /** Answers through the feed. */
  readonly feedSolver: ChallengeSolver;
  readonly clock: Clock;
  readonly log: Log;
}

export interface IssuerSet extends AsyncDisposable {
  readonly byName: ReadonlyMap<string, Issuer>;
  /** Private CAs; their root is created when it is asked for. */
  readonly authorities: readonly CaIssuer[];
}

export function createIssuers(config: Config, { store, feedSolver, clock, log }: IssuersDeps): IssuerSet {
  const parts = new AsyncDisposableStack();
  const listeners = new Map<string, ChallengeSolver>();
  const throughTerminator = (config.terminator?.http.length ?? 0) > 0;

  function solver({ listen }: Http01SolverConfig): ChallengeSolver {
    if (throughTerminator) return feedSolver;
    const key = `${listen.host} ${listen.port}`;
    const known = listeners.get(key) ?? parts.use(createHttp01Listener({ listen, log }));
    listeners.set(key, known);
    return known;
  }

  const byName = new Map<string, Issuer>();
  const authorities: CaIssuer[] = [];
  for (const one of config.issuers) {
    const issuer = createIssuer(one, { store, solver, clock, log });
    parts.defer(async () => await issuer[Symbol.asyncDispose]?.());
    byName.set(one.name, issuer);
    if (isAuthority(issuer)) authorities.push(issuer);
  }
  return { byName, authorities, [Symbol.asyncDispose]: async () => await parts.disposeAsync() };
}

function isAuthority(issuer: Issuer): issuer is CaIssuer {
  return 'rootPem' in issuer;
}

/** Roots of private CAs as files that clients can be pointed at: `dataDir/ca/<issuer>.pem`. Resolves their paths by issuer name. */
export async function writeRoots(
  dataDir: string,
  { authorities }: IssuerSet,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const directory = join(dataDir, 'ca');
  const files = new Map<string, string>();
  if (authorities.length > 0) await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const authority of authorities) {
    const file = join(directory, `${authority.name}.pem`);
    await writeFile(file, await authority.rootPem(signal), { mode: 0o644 });
    files.set(authority.name, file);
  }
  return files;
}
