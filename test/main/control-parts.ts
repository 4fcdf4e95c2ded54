/** What reload works on, on a real store and a real file; nothing listens and nothing is issued. */
import { writeFile } from 'node:fs/promises';
import { loadConfig } from '../../src/config/load.ts';
import type { HistoryEntry } from '../../src/core/records.ts';
import type { ReloadResult } from '../../src/core/ports/control-view.ts';
import type { ListenAddress } from '../../src/core/terminator.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { createAppliedConfig } from '../../src/main/applied-config.ts';
import { InForce } from '../../src/main/in-force.ts';
import { IssuerPool } from '../../src/main/issuers.ts';
import { Notices } from '../../src/main/notices.ts';
import { createReload } from '../../src/main/reload.ts';
import { createBudget } from '../../src/schedule/budget.ts';
import { createScheduler, type Scheduler } from '../../src/schedule/scheduler.ts';
import { createFeed, type Feed } from '../../src/state/feed.ts';
import { createFeedSolver } from '../../src/state/feed-solver.ts';
import { createRegistry, type Registry } from '../../src/state/registry.ts';
import { createTerminators } from '../../src/state/terminators.ts';
import { loadEncryptionKey } from '../../src/store/encryption.ts';
import { openSqliteStore } from '../../src/store/sqlite-store.ts';
import { ManualClock } from '../support/manual-clock.ts';
import type { TempDir } from '../support/tempdir.ts';

export interface ControlParts extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly inForce: InForce;
  readonly notices: Notices;
  readonly registry: Registry;
  readonly scheduler: Scheduler;
  readonly feed: Feed;
  /** Where metrics were moved to, in order. */
  readonly metrics: (ListenAddress | undefined)[];
  /** Set: the next publication of settings fails. */
  readonly faults: { publish: boolean };
  readonly stop: AbortController;
  write(yaml: string): Promise<void>;
  reload(options?: { acceptRemoval?: boolean; acceptReissue?: boolean; signal?: AbortSignal }): Promise<ReloadResult>;
  history(): Promise<readonly HistoryEntry[]>;
}

/** Begins with `yaml`, as a start of control does. */
export async function startParts(dir: TempDir, yaml: string): Promise<ControlParts> {
  await using building = new AsyncDisposableStack();
  const file = dir.join('certplane.yaml');
  const dataDir = dir.join('data');
  const log = silentLog;
  const clock = new ManualClock();
  const env = {};
  const write = async (text: string): Promise<void> => await writeFile(file, text);
  await write(yaml);
  const { config, problems } = await loadConfig({ file, env, dataDir });
  if (config === undefined) throw new Error(JSON.stringify(problems));
  const { key } = await loadEncryptionKey({ dataDir, env, createIfMissing: true });
  const store = building.use(await openSqliteStore({ dataDir, key, clock, log }));
  const realFeed = createFeed({ store, log });
  const faults = { publish: false };
  const feed: Feed = Object.assign(Object.create(realFeed) as Feed, {
    load: async (signal: AbortSignal) => await realFeed.load(signal),
    item: (name: string) => realFeed.item(name),
    publish: async (...[item, signal]: Parameters<Feed['publish']>) => {
      if (!faults.publish) return await realFeed.publish(item, signal);
      faults.publish = false;
      throw new Error('the disk is full');
    },
  });
  const registry = createRegistry({ store, feed: realFeed, clock, log });
  const terminators = createTerminators({ feed: realFeed, clock, log });
  const pool = building.use(
    new IssuerPool({ store, feedSolver: createFeedSolver({ feed: realFeed, terminators }), clock, log }),
  );
  const budget = createBudget({ store, clock, limits: new Map() });
  const scheduler = createScheduler({ registry, issuers: new Map(), store, clock, log, concurrency: 1, budget });
  const notices = new Notices(clock, () => undefined);
  const stop = new AbortController();
  const { signal } = stop;
  const metrics: (ListenAddress | undefined)[] = [];
  const inForce = new InForce(config, {
    dataDir,
    registry,
    scheduler,
    budget,
    feed,
    pool,
    applied: createAppliedConfig({ store, clock }),
    notices,
    serveMetrics: (listen) => Promise.resolve(void metrics.push(listen)),
    clock,
    log,
  });
  await realFeed.load(signal);
  await registry.load(signal);
  await budget.load(signal);
  await inForce.begin(signal);
  const started = inForce.config;
  const reload = createReload({
    file,
    dataDir,
    env,
    started: () => started,
    inForce,
    notices,
    store,
    clock,
    log,
    stop: signal,
  });
  const parts = building.move();
  return {
    clock,
    inForce,
    notices,
    registry,
    scheduler,
    feed: realFeed,
    metrics,
    faults,
    stop,
    write,
    reload: async ({ acceptRemoval = false, acceptReissue = false, signal: asking } = {}) =>
      await reload({ acceptRemoval, acceptReissue, actor: 'tester' }, asking ?? new AbortController().signal),
    history: async () => await store.history({ kinds: ['config'], limit: 50 }),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
