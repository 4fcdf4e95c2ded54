/**
 * The control process, in the order of the flow: state, desired certificates, schedule and issuers, outputs and feed,
 * API. The state is loaded and a configuration put in force while it is wired; `start` opens what others reach. Parts
 * are started in that order and disposed of in reverse.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLoginLinks } from '../access/login-links.ts';
import { createSessions } from '../access/sessions.ts';
import { createTokens } from '../access/tokens.ts';
import { createApi } from '../api/server.ts';
import type { Config } from '../config/model.ts';
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
import { createScheduler } from '../schedule/scheduler.ts';
import { createSweeps } from '../schedule/sweeps.ts';
import { createFeed } from '../state/feed.ts';
import { createFeedServer } from '../state/feed-server.ts';
import { createFeedSolver } from '../state/feed-solver.ts';
import { installationId } from '../state/installation.ts';
import { createRegistry } from '../state/registry.ts';
import { createTerminators } from '../state/terminators.ts';
import { backupStore } from '../store/backup.ts';
import { loadEncryptionKey } from '../store/encryption.ts';
import { acquireWriterLock } from '../store/lock.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import { createAppliedConfig } from './applied-config.ts';
import { createControlView, isServing } from './control-view.ts';
import { InForce } from './in-force.ts';
import { IssuerPool } from './issuers.ts';
import { MetricsPlace } from './metrics-place.ts';
import { NamedParts } from './named-parts.ts';
import { Notices } from './notices.ts';
import { createOutputFactory } from './outputs.ts';
import { createReload } from './reload.ts';
import { watchWrites } from './store-health.ts';

export interface Control extends Part {
  readonly address: string;
  /** While it stops: what it waits for. */
  readonly waitingFor: readonly string[];
  loginLink(): string;
  /** The configuration in force: the one before, while the one it was started with is held. */
  readonly config: Config;
  /** Problems of the process itself, to be raised and cleared. */
  readonly notices: Pick<Notices, 'raise' | 'clear'>;
  /** Roots of private CAs: file by issuer name. */
  readonly roots: ReadonlyMap<string, string>;
  /** Throws `config.invalid`, `config.removal-held`; nothing has changed then. */
  reload(options: ReloadOptions, signal: AbortSignal): Promise<ReloadResult>;
  /** Resolves when every certificate has been tried and what was issued is delivered, `mostMs` at the latest. */
  settled(mostMs: number, signal: AbortSignal): Promise<void>;
  /** Whether a terminator is connected and up to date. */
  serving(): boolean;
  /** Terms of service that registering at CAs has accepted. */
  terms(signal: AbortSignal): Promise<readonly { readonly issuer: string; readonly url: string }[]>;
}

export interface ControlDeps {
  readonly config: Config;
  /** As given on the command line. */
  readonly dataDirOption: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Throws `store.*` when the state cannot be opened, and `config.invalid` when there is nothing to do; nothing runs then.
 * `signal` is the end of the process: it ends a reload that has begun, too.
 */
export async function wireControl(
  { config, dataDirOption, env, clock, log }: ControlDeps,
  signal: AbortSignal,
): Promise<Control> {
  await using building = new AsyncDisposableStack();
  const parts = building.use(new NamedParts());
  const { dataDir } = config;
  const run = join(dataDir, 'run');

  // State: one writer, one key, one database.
  parts.use('the lock of the data directory', acquireWriterLock(dataDir));
  const { key } = await loadEncryptionKey({ dataDir, env, createIfMissing: true });
  const database = parts.use('the database', await openSqliteStore({ dataDir, key, clock, log }));
  const health = watchWrites(database);
  const counter = createHistoryCounter({
    store: health.store,
    issuerOf: (id) => registry.entry(id)?.current?.issuerName,
  });
  const { store } = counter;
  const feed = createFeed({ store, log });
  const terminators = createTerminators({ feed, clock, log });
  const registry = createRegistry({ store, feed, clock, log });

  // Schedule and issuers: what is due, and who makes it.
  const feedSolver = createFeedSolver({ feed, terminators });
  const pool = parts.use('issuers', new IssuerPool({ store, feedSolver, clock, log }));
  const budget = createBudget({ store, clock, limits: new Map() });
  const { concurrency } = config.issuance;
  const scheduler = createScheduler({ registry, issuers: new Map(), store, clock, log, concurrency, budget });

  // Where versions go: outputs, and terminators over the feed.
  const outputFor = createOutputFactory({
    clock,
    access: () => inForce.config.kubernetes ?? {},
    installationId: await installationId(store, signal),
  });
  const deliverer = createDeliverer({ registry, outputFor, clock, log });
  const sweeps = createSweeps({ registry, budget, waiting: [scheduler, deliverer], clock, log });
  const feedServer = createFeedServer({
    socketPath: join(run, 'feed.sock'),
    feed,
    terminators,
    material: async (versionId, reading) => await registry.bundle(versionId, reading),
    clock,
    log,
  });

  // What people see and ask.
  const notices = new Notices(clock, () => view.changed());
  const metrics = new MetricsPlace((listen) =>
    createMetricsServer({
      listen,
      hosts: () => inForce.config.terminator?.routes.flatMap(({ hosts }) => hosts) ?? [],
      registry: metricsRegistry,
      ready: () => started && !signal.aborted && health.writable(),
      clock,
      log,
    }),
  );
  const inForce = new InForce(config, {
    dataDir,
    registry,
    scheduler,
    budget,
    feed,
    pool,
    applied: createAppliedConfig({ store, clock }),
    notices,
    serveMetrics: async (listen) => {
      if (started) await metrics.serve(listen);
    },
    clock,
    log,
  });
  const reload = createReload({
    file: config.file,
    dataDir: dataDirOption,
    env,
    started: () => startedWith,
    inForce,
    notices,
    store,
    clock,
    log,
    stop: signal,
  });
  const view = createControlView({
    registry,
    scheduler,
    terminators,
    issuers: () => inForce.issuers,
    notices,
    store,
    reload,
    backup: async (file, copying) => await backupStore(database, key, file, copying),
    expectsTerminator: () => inForce.config.terminator !== undefined,
    clock,
    log,
  });
  parts.use('the view', view);
  const stats = {
    attempts: counter.attempts,
    history: counter.history,
    queue: () => ({ running: scheduler.stats().inFlight, waiting: scheduler.stats().queued }),
    feedRevision: () => formatRevision(feed.revision()),
  };
  const metricsRegistry = createControlMetrics({ view, stats, clock });
  let started = false;

  // What was, and what is in force from here on.
  await feed.load(signal);
  await registry.load(signal);
  await budget.load(signal);
  await inForce.begin(signal);
  const startedWith = inForce.config;

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
      listen: startedWith.admin.listen,
      socketPath: join(run, 'admin.sock'),
      allowedHosts: () => inForce.config.admin.hosts,
      webDir: fileURLToPath(new URL('../../web/dist', import.meta.url)),
    },
  );
  signal.throwIfAborted();
  building.move();
  return {
    get waitingFor() {
      return parts.waitingFor;
    },
    get address() {
      return api.address;
    },
    get roots() {
      return inForce.roots;
    },
    get config() {
      return inForce.config;
    },
    notices,
    loginLink: () => api.loginLink(),
    reload: async (options, reloading) => await view.reload(options, reloading),
    settled: async (mostMs, waiting) => await view.settled(mostMs, waiting),
    serving: () => isServing(terminators),
    terms: async (asking) => {
      const found = await view.issuers(asking);
      return found.flatMap(({ name, termsOfService }) =>
        termsOfService === undefined ? [] : [{ issuer: name, url: termsOfService }],
      );
    },
    async start(starting) {
      const inOrder: [string, Part, (() => readonly string[])?][] = [
        ['the feed', feedServer],
        ['issuances', scheduler],
        ['deliveries', deliverer, () => deliverer.underWay()],
        ['sweeps', sweeps],
        ['the API', api],
      ];
      for (const [name, part, waitingFor] of inOrder) {
        parts.use(name, part, waitingFor);
        await part.start(starting);
      }
      parts.use('the metrics address', metrics);
      await metrics.serve(startedWith.metrics?.listen);
      started = true;
    },
    [Symbol.asyncDispose]: async () => await parts[Symbol.asyncDispose](),
  };
}
