/** Issuers by name, and who answers their challenges: the terminator where one is configured, a listener of our own otherwise. */
import { isDeepStrictEqual } from 'node:util';
import { createHttp01Listener } from '../acme/http01-listener.ts';
import type { Config, Http01SolverConfig, IssuerConfig } from '../config/model.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { ChallengeSolver } from '../core/ports/challenge-solver.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { CaIssuer } from '../issue/ca-issuer.ts';
import { createIssuer } from '../issue/create-issuer.ts';
import { trackCalls } from './track-calls.ts';

export interface IssuersDeps {
  readonly store: CertificateStore;
  /** Answers through the feed. */
  readonly feedSolver: ChallengeSolver;
  readonly clock: Clock;
  readonly log: Log;
}

export interface IssuerSet {
  readonly byName: ReadonlyMap<string, Issuer>;
  /** Private CAs; their root is created when it is asked for. */
  readonly authorities: readonly CaIssuer[];
}

/** The issuers of a configuration that is not in force yet; disposing takes back what was made for it. */
export interface PreparedIssuers extends IssuerSet, AsyncDisposable {
  /** They are in force. Those they replace end once nothing uses them any more. */
  commit(): void;
}

interface Kept {
  readonly config: IssuerConfig;
  readonly throughTerminator: boolean;
  readonly issuer: Issuer;
  readonly authority: CaIssuer | undefined;
  /** Resolves when no call is under way. */
  readonly idle: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Whoever has looked an issuer up and not called it yet does so within this. */
const graceMs = 1_000;

/** Keeps what a new configuration leaves as it was: requests under way to a CA end as they would have. */
export class IssuerPool implements AsyncDisposable {
  readonly #deps: IssuersDeps;
  readonly #listeners = new Map<string, ChallengeSolver & AsyncDisposable>();
  readonly #stop = new AbortController();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #retiring = new Map<Kept, Promise<void>>();
  #inForce: ReadonlyMap<string, Kept> = new Map();

  constructor(deps: IssuersDeps) {
    this.#deps = deps;
  }

  /** Throws what making an issuer throws; nothing has changed then. */
  async prepare(config: Config): Promise<PreparedIssuers> {
    const terminator = (config.terminator?.http.length ?? 0) > 0;
    const wanted = new Map<string, Kept>();
    const fresh: Kept[] = [];
    const discard = async (): Promise<void> => {
      for (const one of fresh.splice(0)) await one.end();
    };
    try {
      for (const one of config.issuers) {
        const throughTerminator = one.kind === 'acme' && terminator;
        const before = this.#inForce.get(one.name);
        const same = before?.throughTerminator === throughTerminator && isDeepStrictEqual(before.config, one);
        const kept = same ? before : this.#make(one, throughTerminator);
        if (!same) fresh.push(kept);
        wanted.set(one.name, kept);
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return {
      ...setOf(wanted),
      commit: () => {
        fresh.length = 0;
        const kept = new Set(wanted.values());
        const replaced = [...this.#inForce.values()].filter((one) => !kept.has(one));
        this.#inForce = wanted;
        for (const one of replaced) this.#retiring.set(one, this.#retire(one));
      },
      [Symbol.asyncDispose]: discard,
    };
  }

  /** Ends everything; call it when nothing asks for a step any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#stopped.resolve();
    await Promise.all(this.#retiring.values());
    for (const one of this.#inForce.values()) await one.end();
    this.#inForce = new Map();
    await this.#closeUnused();
  }

  #make(config: IssuerConfig, throughTerminator: boolean): Kept {
    const { store, feedSolver, clock, log } = this.#deps;
    const solver = (one: Http01SolverConfig): ChallengeSolver => (throughTerminator ? feedSolver : this.#listener(one));
    const made = createIssuer(config, { store, solver, clock, log });
    const { issuer, idle } = trackCalls(made);
    return {
      config,
      throughTerminator,
      issuer,
      authority: isAuthority(made) ? made : undefined,
      idle,
      end: async () => await made[Symbol.asyncDispose]?.(),
    };
  }

  /** One per address: a replaced issuer and its successor share it. */
  #listener({ listen }: Http01SolverConfig): ChallengeSolver {
    const key = listenerKey({ listen });
    const known = this.#listeners.get(key) ?? createHttp01Listener({ listen, log: this.#deps.log });
    this.#listeners.set(key, known);
    return known;
  }

  /** Ends it when its calls are over: what the scheduler wants no longer it aborts, the rest comes to its end. */
  async #retire(one: Kept): Promise<void> {
    const stopped = this.#stopped.promise;
    await Promise.race([one.idle(), stopped]);
    await this.#deps.clock.sleep(graceMs, this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
    });
    await Promise.race([one.idle(), stopped]);
    await one.end();
    this.#retiring.delete(one);
    await this.#closeUnused();
  }

  async #closeUnused(): Promise<void> {
    const users = [...this.#inForce.values(), ...this.#retiring.keys()];
    const used = new Set(users.flatMap(listenersOf));
    for (const [key, listener] of this.#listeners) {
      if (used.has(key)) continue;
      this.#listeners.delete(key);
      await listener[Symbol.asyncDispose]();
    }
  }
}

function setOf(kept: ReadonlyMap<string, Kept>): IssuerSet {
  return {
    byName: new Map([...kept].map(([name, { issuer }]) => [name, issuer])),
    authorities: [...kept.values()].flatMap(({ authority }) => authority ?? []),
  };
}

function listenersOf({ config, throughTerminator }: Kept): string[] {
  return config.kind === 'acme' && !throughTerminator ? config.solvers.map(listenerKey) : [];
}

function listenerKey({ listen: { host, port } }: Pick<Http01SolverConfig, 'listen'>): string {
  return `${host} ${port}`;
}

function isAuthority(issuer: Issuer): issuer is CaIssuer {
  return 'rootPem' in issuer;
}
