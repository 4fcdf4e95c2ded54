/**
 * The control process, in the order of the flow: state, desired certificates, schedule and issuers, outputs and feed,
 * API. Parts are started in that order and disposed of in reverse.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLoginLinks } from '../access/login-links.ts';
import { createSessions } from '../access/sessions.ts';
import { createTokens } from '../access/tokens.ts';
import { createApi } from '../api/server.ts';
import type { Config } from '../config/model.ts';
import { hasCode } from '../core/errors.ts';
import { formatRevision } from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ReloadOptions, ReloadResult } from '../core/ports/control-view.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import { createDeliverer } from '../deliver/deliverer.ts';
import { certificateChecks } from '../explain/certificate-checks.ts';
import { installationChecks } from '../explain/installation-checks.ts';
import { createTlsProbe } from '../explain/probe.ts';
import { createControlMetrics } from '../observe/control-metrics.ts';
import { createHistoryCounter } from '../observe/history-counter.ts';
import { createMetricsServer } from '../observe/metrics-server.ts';
import { createBudget } from '../schedule/budget.ts';
import { limitsFor, type IssuerLimits } from '../schedule/limits.ts';
import { createScheduler } from '../schedule/scheduler.ts';
import { createSweeps } from '../schedule/sweeps.ts';
import { createFeed } from '../state/feed.ts';
import { createFeedServer } from '../state/feed-server.ts';
import { createFeedSolver } from '../state/feed-solver.ts';
import { createRegistry } from '../state/registry.ts';
import { createTerminators } from '../state/terminators.ts';
import { backupStore } from '../store/backup.ts';
import { loadEncryptionKey } from '../store/encryption.ts';
import { acquireWriterLock } from '../store/lock.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import { createControlView, isServing } from './control-view.ts';
import { createIssuers, writeRoots, type IssuerSet } from './issuers.ts';
import { Notices } from './notices.ts';
import { createOutputFactory } from './outputs.ts';
import { createReload } from './reload.ts';

export interface Control extends Part {
  readonly address: string;
  loginLink(): string;
  /** Roots of private CAs: file by issuer name. */
  readonly roots: ReadonlyMap<string, string>;
  /** Throws `config.invalid`, `config.removal-held`; nothing has changed then. */
  reload(options: ReloadOptions, signal: AbortSignal): Promise<ReloadResult>;
  /** Resolves when every certificate has been tried and what was issued is delivered, `mostMs` at the latest. */
  settled(mostMs: number, signal: AbortSignal): Promise<void>;
  /** Whether a terminator is connected and up to date. */
  serving(): boolean;
}

export interface ControlDeps {
  readonly config: Config;
  /** As given on the command line. */
  readonly dataDirOption: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

/** Throws `store.*` when the state cannot be opened; nothing runs then. */
export async function wireControl(
  { config, dataDirOption, env, clock, log }: ControlDeps,
  signal: AbortSignal,
): Promise<Control> {
  await using building = new AsyncDisposableStack();
  const { dataDir } = config;
  const run = join(dataDir, 'run');

  // State: one writer, one key, one database.
  building.use(acquireWriterLock(dataDir));
  const { key } = await loadEncryptionKey({ dataDir, env, createIfMissing: true });
  const database = building.use(await openSqliteStore({ dataDir, key, clock, log }));
  const counter = createHistoryCounter({ store: database, issuerOf: (id) => registry.entry(id)?.current?.issuerName });
  const { store } = counter;
  const feed = createFeed({ store, log });
  const terminators = createTerminators({ feed, clock, log });
  const registry = createRegistry({ store, feed, clock, log });

  // Schedule and issuers: what is due, and who makes it.
  const feedSolver = createFeedSolver({ feed, terminators });
  const issuerDeps = { store, feedSolver, clock, log };
  let issuers: IssuerSet = createIssuers(config, issuerDeps);
  building.defer(async () => await issuers[Symbol.asyncDispose]());
  const budget = createBudget({ store, clock, limits: limitsOf(config) });
  const { concurrency } = config.issuance;
  const scheduler = createScheduler({ registry, issuers: issuers.byName, store, clock, log, concurrency, budget });
  const sweeps = createSweeps({ registry, budget, scheduler, clock, log });

  // Where versions go: outputs, and terminators over the feed.
  let current = config;
  let roots: ReadonlyMap<string, string> = new Map();
  const outputFor = createOutputFactory(clock, () => current.kubernetes ?? {});
  const deliverer = createDeliverer({ registry, outputFor, clock, log });
  const feedServer = createFeedServer({
    socketPath: join(run, 'feed.sock'),
    feed,
    terminators,
    material: async (versionId, reading) => await registry.bundle(versionId, reading),
    clock,
    log,
  });

  /** Applies a loaded configuration; the desired set goes first because it may be refused. */
  async function apply(next: Config, options: ReloadOptions, applying: AbortSignal) {
    const counts = await registry.apply(next.certificates, options, applying);
    const before = issuers;
    issuers = createIssuers(next, issuerDeps);
    budget.setLimits(limitsOf(next));
    scheduler.setIssuers(issuers.byName);
    if (options.acceptReissue) await scheduler.acceptReissue(applying);
    await before[Symbol.asyncDispose]();
    current = next;
    if (next.terminator !== undefined) await feed.publish({ kind: 'settings', settings: next.terminator }, applying);
    roots = await writeRoots(dataDir, issuers, applying);
    return counts;
  }

  // What people see and ask.
  const notices = new Notices(clock, () => view.changed());
  const reload = createReload({ file: config.file, dataDir: dataDirOption, started: config, notices, apply });
  const view = createControlView({
    registry,
    scheduler,
    terminators,
    issuers: () => issuers.byName,
    notices,
    store,
    reload,
    backup: async (file, copying) => await backupStore(database, key, file, copying),
    expectsTerminator: () => current.terminator !== undefined,
    clock,
  });
  building.use(view);
  const checks = { view, clock, probe: createTlsProbe() };
  const api = createApi(
    {
      view,
      tokens: createTokens({ store, clock, log }),
      sessions: createSessions({ clock }),
      loginLinks: createLoginLinks({ clock }),
      certificateChecks: certificateChecks(checks),
      installationChecks: installationChecks(checks),
      clock,
      log,
    },
    {
      listen: config.admin.listen,
      socketPath: join(run, 'admin.sock'),
      allowedHosts: config.admin.hosts,
      webDir: fileURLToPath(new URL('../../web/dist', import.meta.url)),
    },
  );
  const stats = {
    attempts: counter.attempts,
    history: counter.history,
    queue: () => ({ running: scheduler.stats().inFlight, waiting: scheduler.stats().queued }),
    feedRevision: () => formatRevision(feed.revision()),
  };
  let started = false;
  const metrics =
    config.metrics === undefined
      ? undefined
      : createMetricsServer({
          listen: config.metrics.listen,
          registry: createControlMetrics({ view, stats, clock }),
          ready: () => started,
          clock,
          log,
        });

  signal.throwIfAborted();
  const parts = building.move();
  return {
    get address() {
      return api.address;
    },
    get roots() {
      return roots;
    },
    loginLink: () => api.loginLink(),
    reload: async (options, reloading) => await view.reload(options, reloading),
    settled: async (mostMs, waiting) => await view.settled(mostMs, waiting),
    serving: () => isServing(terminators),
    async start(starting) {
      await feed.load(starting);
      await registry.load(starting);
      await budget.load(starting);
      try {
        await apply(config, { acceptRemoval: false, acceptReissue: false, actor: 'config' }, starting);
      } catch (error) {
        if (!hasCode(error, 'config.removal-held')) throw error;
        // What was managed before goes on; the page says what is held and how to accept it.
        notices.raise('config.removal-held', (error as Error).message, config.file);
        log.error('The configuration is not applied.', { reason: (error as Error).message });
      }
      for (const part of [feedServer, scheduler, deliverer, sweeps, api, ...(metrics === undefined ? [] : [metrics])]) {
        parts.use(part);
        await part.start(starting);
      }
      started = true;
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

/** Rate limits of the ACME issuers; private ones have none. */
function limitsOf({ issuers }: Config): ReadonlyMap<string, IssuerLimits> {
  return new Map(
    issuers.flatMap((one) => (one.kind === 'acme' ? [[one.name, limitsFor(one.directory)] as const] : [])),
  );
}
