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
  for (const one of config.issuers) {
    const issuer = createIssuer(one, { store, solver, clock, log: log.child({ issuer: one.name }) });
    parts.defer(async () => await issuer[Symbol.asyncDispose]?.());
    byName.set(one.name, issuer);
  }
  return { byName, [Symbol.asyncDispose]: async () => await parts.disposeAsync() };
}

/** Roots of private CAs as files that clients can be pointed at: `dataDir/ca/<issuer>.pem`. Resolves their paths by issuer name. */
export async function writeRoots(
  dataDir: string,
  issuers: ReadonlyMap<string, Issuer>,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [name, issuer] of issuers) {
    const { rootPem } = await issuer.describe(signal);
    if (rootPem === undefined) continue;
    const file = join(dataDir, 'ca', `${name}.pem`);
    await mkdir(join(dataDir, 'ca'), { recursive: true, mode: 0o700 });
    await writeFile(file, rootPem, { mode: 0o644 });
    files.set(name, file);
  }
  return files;
}
