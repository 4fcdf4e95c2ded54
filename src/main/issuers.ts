/** Issuers by name, and who answers their challenges: the terminator where one is configured, a listener of our own otherwise. */
import { writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createHttp01Listener } from '../acme/http01-listener.ts';
import type { Config, Http01SolverConfig, IssuerConfig } from '../config/model.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
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
}

export function createIssuers(config: Config, deps: IssuersDeps): IssuerSet {
  const listeners = new Map<string, ChallengeSolver & AsyncDisposable>();
  const throughTerminator = (config.terminator?.http.length ?? 0) > 0;

  function listenerFor({ listen }: Http01SolverConfig): ChallengeSolver {
    const key = `${listen.host} ${listen.port}`;
    const listener = listeners.get(key) ?? createHttp01Listener({ listen, log: deps.log });
    listeners.set(key, listener);
    return listener;
  }

  function solverFor(issuer: IssuerConfig, dnsName: string): ChallengeSolver | undefined {
    const solver = issuer.kind === 'acme' ? issuer.solvers.find((one) => selects(one, dnsName)) : undefined;
    if (solver === undefined) return undefined;
    return throughTerminator ? deps.feedSolver : listenerFor(solver);
  }

  const byName = new Map<string, Issuer>();
  for (const issuer of config.issuers) {
    byName.set(
      issuer.name,
      createIssuer(issuer, { store: deps.store, solverFor: (name) => solverFor(issuer, name), clock: deps.clock, log: deps.log }),
    );
  }
  return {
    byName,
    async [Symbol.asyncDispose]() {
      await Promise.all([...byName.values()].map((issuer) => (issuer as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.()));
      await Promise.all([...listeners.values()].map((listener) => listener[Symbol.asyncDispose]()));
    },
  };
}

/** A solver without names and zones is for every name. */
function selects({ dnsNames, dnsZones }: Http01SolverConfig, name: string): boolean {
  if (dnsNames === undefined && dnsZones === undefined) return true;
  return dnsNames?.includes(name) === true || dnsZones?.some((zone) => name === zone || name.endsWith(`.${zone}`)) === true;
}

/** Roots of private CAs as files that clients can be pointed at: `dataDir/ca/<issuer>.pem`. Resolves their paths by issuer name. */
export async function writeRoots(dataDir: string, issuers: ReadonlyMap<string, Issuer>, signal: AbortSignal): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, issuer] of issuers) {
    const { rootPem } = await issuer.describe(signal);
    if (rootPem === undefined) continue;
    const file = join(dataDir, 'ca', `${name}.pem`);
    await mkdir(join(dataDir, 'ca'), { recursive: true, mode: 0o755 });
    await writeFile(file, rootPem, { mode: 0o644 });
    files.set(name, file);
  }
  return files;
}
