/**
 * The configuration in force. Taking a new one over goes from what may be refused to what may fail alone: issuers are
 * made, the desired certificates are replaced, and from there on the new one is in force; what then fails is told by
 * name, and the next reload does it again.
 */
import type { Config } from '../config/model.ts';
import { CertplaneError, hasCode, toCertplaneError } from '../core/errors.ts';
import type { SettingsItem } from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ReloadOptions } from '../core/ports/control-view.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Log } from '../core/ports/log.ts';
import type { ListenAddress } from '../core/terminator.ts';
import type { Budget } from '../schedule/budget.ts';
import { limitsFor, type IssuerLimits } from '../schedule/limits.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { Feed } from '../state/feed.ts';
import type { Registry } from '../state/registry.ts';
import type { AppliedConfig } from './applied-config.ts';
import { writeMarker } from './applied-marker.ts';
import type { IssuerPool, IssuerSet, PreparedIssuers } from './issuers.ts';
import type { Notices } from './notices.ts';
import { writeRoot } from './roots.ts';
import { UnverifiedBackends } from './unverified-backends.ts';

export interface InForceDeps {
  readonly dataDir: string;
  readonly registry: Registry;
  readonly scheduler: Scheduler;
  readonly budget: Budget;
  readonly feed: Feed;
  readonly pool: IssuerPool;
  readonly applied: AppliedConfig;
  readonly notices: Notices;
  /** Moves control's own metrics there. */
  readonly serveMetrics: (listen: ListenAddress | undefined) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Applied {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** What could not be done although the configuration is in force. */
  readonly warnings: readonly string[];
}

const nothingAccepted = { acceptRemoval: false, acceptReissue: false, actor: 'config' } as const;

export class InForce {
  readonly #deps: InForceDeps;
  readonly #roots = new Map<string, string>();
  #config: Config;
  #issuers: IssuerSet = { byName: new Map(), authorities: [] };
  #failed = new Set<string>();
  readonly #unverified: UnverifiedBackends;

  /** `config` is what is asked for; `begin` decides. */
  constructor(config: Config, deps: InForceDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#unverified = new UnverifiedBackends(deps.notices);
  }

  get config(): Config {
    return this.#config;
  }

  get issuers(): ReadonlyMap<string, Issuer> {
    return this.#issuers.byName;
  }

  /** Roots of private CAs: file by issuer name. */
  get roots(): ReadonlyMap<string, string> {
    return this.#roots;
  }

  /** The first configuration of this process. One that is held leaves the one before it in force. Needs the registry loaded. */
  async begin(signal: AbortSignal): Promise<void> {
    const { registry, applied, notices, log, dataDir } = this.#deps;
    const config = this.#config;
    if (registry.certificates().length === 0) refuseEmpty(config);
    try {
      await this.apply(config, nothingAccepted, signal);
    } catch (error) {
      if (!hasCode(error, 'config.removal-held')) throw error;
      const { message } = error as CertplaneError;
      notices.raise('config.removal-held', `${message} The configuration before it stays in force.`, config.file);
      log.error('The configuration is not applied; the one before it stays in force.', { reason: message });
      const before = await applied.last(signal);
      const staying = before === undefined ? config : { ...before, file: config.file, dataDir };
      await using issuers = await this.#deps.pool.prepare(staying);
      this.#put(staying, issuers);
      await this.#writeRoots(signal);
      if (before !== undefined) await this.#publish(staying, false, signal);
      await this.#moveMetrics(staying, signal);
    }
  }

  /** Throws `config.removal-held`, and what making issuers throws: nothing has changed then. */
  async apply(next: Config, options: ReloadOptions, signal: AbortSignal): Promise<Applied> {
    const { registry, scheduler, applied, dataDir } = this.#deps;
    await using issuers = await this.#deps.pool.prepare(next);
    const counts = await this.#applyCertificates(registry, next, options, signal);
    this.#put(next, issuers);
    // Before the settings: terminators read these files when they hear of them.
    const warnings = await this.#writeRoots(signal);
    await this.#publish(next, options.acceptRemoval, signal);
    warnings.push(...(await this.#moveMetrics(next, signal)));
    const add = async (what: string, work: () => Promise<void>): Promise<void> =>
      void warnings.push(...(await this.#attempt(what, signal, work)));
    if (options.acceptReissue)
      await add('The held re-issue is not let go', async () => await scheduler.acceptReissue(signal));
    await add('It is not kept for the next start', async () => {
      await applied.keep(next, signal);
      await writeMarker(dataDir, {
        certificates: next.certificates.length,
        terminator: next.terminator !== undefined,
      });
    });
    return { ...counts, warnings };
  }

  async #applyCertificates(
    registry: Registry,
    next: Config,
    options: ReloadOptions,
    signal: AbortSignal,
  ): Promise<Omit<Applied, 'warnings'>> {
    try {
      return await registry.apply(next.certificates, options, signal);
    } catch (error) {
      if (hasCode(error, 'config.removal-held') || signal.aborted) throw error;
      const { code, message } = toCertplaneError(error);
      throw new CertplaneError(
        code,
        `The certificates of the new configuration are taken over in part, nothing else of it is: ${message} Reload again.`,
        { cause: error },
      );
    }
  }

  #put(next: Config, issuers: PreparedIssuers): void {
    const { budget, scheduler } = this.#deps;
    budget.setLimits(limitsOf(next));
    scheduler.setConcurrency(next.issuance.concurrency);
    scheduler.setIssuers(issuers.byName);
    issuers.commit();
    this.#issuers = { byName: issuers.byName, authorities: issuers.authorities };
    this.#config = next;
    this.#unverified.inForce(next.terminator);
  }

  async #publish({ terminator }: Config, acceptRemoval: boolean, signal: AbortSignal): Promise<void> {
    const { feed, clock } = this.#deps;
    const before = (feed.item('settings') as SettingsItem | undefined)?.settings;
    const wanted = terminator ?? (acceptRemoval ? before : undefined);
    if (wanted === undefined) return;
    const acceptShrinkAt = acceptRemoval ? clock.now() : before?.acceptShrinkAt;
    const settings = acceptShrinkAt === undefined ? wanted : { ...wanted, acceptShrinkAt };
    try {
      await feed.publish({ kind: 'settings', settings }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const { code, message } = toCertplaneError(error);
      throw new CertplaneError(
        code,
        `Certificates and issuers of the new configuration are in force, the terminator's settings are not: ${message} Reload again.`,
        { cause: error },
      );
    }
  }

  /** Fails alone: nothing else waits for it. */
  async #moveMetrics(config: Config, signal: AbortSignal): Promise<string[]> {
    return await this.#attempt(
      'metrics.listen is not in force',
      signal,
      async () => await this.#deps.serveMetrics(config.metrics?.listen),
    );
  }

  /** Roots of private CAs, for clients and for terminators that verify backends. */
  async #writeRoots(signal: AbortSignal): Promise<string[]> {
    const warnings: string[] = [];
    this.#roots.clear();
    for (const authority of this.#issuers.authorities) {
      const written = await this.#attempt(`The root of ${authority.name} is not written`, signal, async () => {
        this.#roots.set(authority.name, await writeRoot(this.#deps.dataDir, authority, signal));
      });
      warnings.push(...written);
    }
    return warnings;
  }

  async #attempt(what: string, signal: AbortSignal, work: () => Promise<void>): Promise<string[]> {
    const { notices, log } = this.#deps;
    try {
      await work();
      if (this.#failed.delete(what)) notices.clear('config.incomplete', what);
      return [];
    } catch (error) {
      if (signal.aborted) throw error;
      const { code, message } = toCertplaneError(error);
      const sentence = `${what}: ${message}`;
      log.error('Part of the configuration is not in force.', { code, reason: sentence });
      notices.raise('config.incomplete', sentence, what);
      this.#failed.add(what);
      return [sentence];
    }
  }
}

function refuseEmpty({ file, certificates, terminator, dataDir }: Config): void {
  if (certificates.length > 0 || terminator !== undefined) return;
  throw new CertplaneError(
    'config.invalid',
    `There is nothing to do: ${file} has no certificates and no terminator, and the data directory ${dataDir} has none ` +
      'from before. Add a certificates or terminator section, or check that dataDir is the right one.',
  );
}

/** Rate limits of the ACME issuers; private ones have none. */
function limitsOf({ issuers }: Config): ReadonlyMap<string, IssuerLimits> {
  return new Map(
    issuers.flatMap((one) => (one.kind === 'acme' ? [[one.name, limitsFor(one.directory)] as const] : [])),
  );
}
