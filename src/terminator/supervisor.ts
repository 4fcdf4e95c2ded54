import { CertplaneError, toCertplaneError } from '../core/errors.ts';
import {
  formatRevision,
  type CertificateItem,
  type ChallengeItem,
  type FeedKey,
  type SettingsItem,
} from '../core/feed.ts';
import type { CertificateSource } from '../core/ports/certificate-source.ts';
import type { SourceSpec, TerminatorSettings } from '../core/terminator.ts';
import { FeedProgress } from './intake/feed-progress.ts';
import { Holdings } from './intake/holdings.ts';
import { Problems } from './intake/problems.ts';
import { Reporter } from './intake/reporter.ts';
import { Readers } from './intake/readers.ts';
import { routedHosts } from './intake/routed-hosts.ts';
import type { Intake } from './intake/source-reader.ts';
import type { LoadedEntry, TableEntry } from './intake/table.ts';
import { TlsInputs } from './intake/tls-inputs.ts';
import { Turns } from './intake/turns.ts';
import { wait } from './intake/wait.ts';
import type { WorkerSettings } from './ipc/messages.ts';
import { MetricsAddress } from './metrics-address.ts';
import { createTerminatorMetrics, type TerminatorMetrics } from './metrics.ts';
import { Listeners } from './pool/listeners.ts';
import { WorkerAccount } from './pool/worker-account.ts';
import { WorkerPool } from './pool/worker-pool.ts';
import type { Supervisor, SupervisorOptions, SupervisorStatus } from './supervisor-port.ts';

export type { Supervisor, SupervisorOptions } from './supervisor-port.ts';

/**
 * The terminator: reads sources, decides what answers for which host, and keeps workers that serve it. `start` resolves
 * when the addresses of known settings are open (at once when there are none yet) and throws
 * `terminator.address-in-use` or `terminator.address-forbidden` when they cannot be.
 */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new TerminatorSupervisor(options);
}

const housekeepingMs = 2_000;
const crashShownMs = 300_000;
class TerminatorSupervisor implements Supervisor, Intake {
  readonly #options: SupervisorOptions;
  readonly #stop = new AbortController();
  readonly #problems: Problems;
  readonly #holdings: Holdings;
  readonly #pool: WorkerPool;
  readonly #listeners: Listeners;
  readonly #workerAccount: WorkerAccount;
  readonly #progress: FeedProgress;
  readonly #reporter: Reporter;
  readonly #metrics: TerminatorMetrics;
  readonly #metricsAddress: MetricsAddress;
  readonly #tlsInputs: TlsInputs;
  readonly #turns: Turns;
  readonly #readers: Readers;
  readonly #tasks: Promise<void>[] = [];
  #settings: TerminatorSettings | undefined;
  #configuring: Promise<unknown> = Promise.resolve();
  #unopened = false;
  #firstSet = false;
  #drained: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { clock, log, feed, terminatorId, cache } = options;
    const sourceFor = (spec: SourceSpec): CertificateSource => options.sourceFor(spec, () => this.#settings);
    this.#problems = new Problems(clock, () => this.#reporter?.touch());
    this.#workerAccount = new WorkerAccount({ log, onProblem: (found) => this.#problems.show('account', found) });
    this.#metrics = createTerminatorMetrics({
      workers: () =>
        this.#pool.live.map(({ pid, connections, applied }) => ({
          pid,
          connections,
          behind: this.#pool.sequence - applied,
          older: this.#holdings.older(applied),
        })),
      served: () => this.#holdings.served().values(),
      backends: () => this.#pool.endpoints(),
      problems: () => this.#problems.counts(),
      lagSeconds: () => this.#progress.lagMs() / 1000,
      feedConnected: () => !this.#problems.counts().has('terminator.control-unreachable'),
    });
    const { registry } = this.#metrics;
    const hosts = (): string[] => this.#settings?.routes.flatMap((route) => route.hosts) ?? [];
    this.#metricsAddress = new MetricsAddress({ registry, hosts, ready: () => this.status().ready, clock, log });
    this.#holdings = new Holdings({
      cache,
      problems: this.#problems,
      now: () => clock.now(),
      apply: (change) => this.#pool.apply([change]),
    });
    this.#tlsInputs = new TlsInputs({
      clock,
      problems: this.#problems,
      apply: (change) => this.#pool.apply([change]),
      current: (slot) => this.#holdings.current(slot),
      onFiles: () => this.#tellSettings(),
    });
    this.#turns = new Turns({
      clock,
      nextTurn: () => this.#holdings.nextTurn(),
      onTurn: (names) => this.#pool.apply([{ kind: 'certificate', names }]),
      onSettled: () => {
        this.#holdings.showConflicts();
        this.#reporter.touch();
      },
    });
    this.#pool = new WorkerPool(
      {
        clock,
        log,
        startMessage: () => ({
          type: 'start',
          settings: this.#workerSettings(),
          challenges: [...this.#holdings.challenges],
          ticketKeys: this.#tlsInputs.ticketKeys,
          account: this.#workerAccount.account,
        }),
        resolve: (host) => this.#holdings.resolve(host),
        currentVersion: (slot) => this.#holdings.current(slot)?.versionId,
        material: (slot) => this.#tlsInputs.stapled(this.#holdings.material(slot)),
        onProgress: () => this.#progressed(),
        onCounters: (_worker, counters) => this.#metrics.count(counters),
        onRefused: (refusal) => {
          const { key: slot, code, message } = refusal;
          this.#holdings.refuse(slot, refusal);
          this.#problems.set(`worker refused ${slot}`, { code, message, subject: slot });
        },
        onCrash: (message) => this.#crashed(message),
      },
      this.#stop.signal,
    );
    this.#listeners = new Listeners(this.#pool, { clock, log }, options.sockets);
    const problems = this.#problems;
    this.#readers = new Readers({ feed, sourceFor, intake: this, problems, clock, log }, this.#stop.signal);
    this.#progress = new FeedProgress({
      clock,
      acknowledge: (revision, refusals) =>
        feed.acknowledge({
          terminatorId,
          revision: formatRevision(revision),
          workers: this.#pool.live.length,
          refusals,
        }),
    });
    this.#reporter = new Reporter({
      terminatorId,
      clock,
      served: () => this.#holdings.served(),
      state: () => ({
        problems: this.#problems.list(),
        workers: this.#pool.statuses(),
        listening: this.#listeners.list(),
        backends: this.#pool.endpoints(),
      }),
      send: (report) => feed.report(report),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => void this[Symbol.asyncDispose](), { once: true });
    try {
      const restored = await this.#holdings.restore();
      this.#readers.restore(restored);
      this.#firstSet = this.#holdings.size > 0;
      const settings = this.#options.settings ?? restored.settings;
      const [error] = settings === undefined ? [] : await this.#configure(settings);
      if (error !== undefined) throw error;
      this.#readers.readFeed();
      const { signal: stop } = this.#stop;
      this.#tasks.push(this.#reporter.run(stop), this.#turns.run(stop), this.#tlsInputs.run(stop), this.#keepHouse());
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  status(): SupervisorStatus {
    const listening = this.#listeners.list();
    const { live } = this.#pool;
    return {
      listening,
      workers: this.#pool.statuses(),
      problems: this.#problems.list(),
      served: this.#holdings.served().size,
      ready: listening.length > 0 && live.length > 0 && this.#firstSet && this.#drained === undefined,
      drainMs: this.#settings?.timeouts.drainMs ?? 0,
      waitingFor: [...live.map(({ pid }) => `worker ${pid}`), ...this.#readers.names],
      metricsPort: this.#metricsAddress.port,
    };
  }

  async confirmShrink(): Promise<void> {
    await this.#readers.confirmShrink();
  }

  drain(): Promise<void> {
    // Addresses go at once: a client that comes now is refused instead of waiting in a backlog that nobody serves.
    this.#drained ??= Promise.all([
      this.#listeners.closeAll(),
      this.#pool.drain(this.#settings?.timeouts.drainMs ?? 0),
    ]).then(() => this.#listeners.closeAll());
    return this.#drained;
  }

  cut(): void {
    this.#pool.cut();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  // What readers do to the rest

  current(slot: string): TableEntry | undefined {
    return this.#holdings.current(slot);
  }

  put(loaded: LoadedEntry, item: CertificateItem): void {
    this.#holdings.put(loaded, item);
    this.#problems.clear(`worker refused ${loaded.entry.slot}`);
    this.#turns.touch();
  }

  drop(slot: string): void {
    this.#holdings.drop(slot);
    this.#problems.clear(`worker refused ${slot}`);
    this.#turns.touch();
  }

  async other(item: ChallengeItem | SettingsItem): Promise<void> {
    const { name } = this.#options.feed;
    if (item.kind === 'challenge') {
      this.#holdings.putChallenge(name, item);
      return;
    }
    this.#holdings.keepSettings(name, item.settings);
    await this.#configure(item.settings);
    this.#readers.acceptShrink(item.settings.acceptShrinkAt);
  }

  otherRemoved(key: FeedKey): void {
    if (key.startsWith('challenge/')) this.#holdings.removeChallenge(this.#options.feed.name, key);
  }

  reached(...[source, revision, complete]: Parameters<Intake['reached']>): void {
    if (complete) this.#firstSet = true;
    // What is refused or held now must be announced again after a restart, so the copy stays before it.
    if (this.#readers.settled(source)) this.#holdings.keepRevision(source, revision);
    if (source === this.#options.feed.name) this.#progress.reached(revision, this.#pool.sequence);
    this.#progressed();
    this.#reporter.touch();
  }

  refusalsChanged(): void {
    this.#progressed();
  }

  wantedNames(...[entry, item]: Parameters<Intake['wantedNames']>): readonly string[] {
    // What to carry is control's decision for its own certificates; elsewhere, what routes need of the present one.
    if (entry === undefined || entry.rank === 0 || this.#settings === undefined) return item.names;
    return [...item.names, ...routedHosts(this.#settings.routes, entry.names)];
  }

  #progressed(): void {
    const { applied } = this.#pool;
    const { changed, rotations } = this.#holdings.settle(applied);
    if (changed) this.#reporter.touch();
    for (const ms of rotations) this.#metrics.rotated(ms);
    const { name } = this.#options.feed;
    this.#progress.settle(applied, [...this.#readers.refusals(name), ...this.#holdings.refusals(name)]);
  }

  #crashed(message: string): void {
    this.#metrics.workerRestarted();
    this.#problems.clear('worker'); // the last one counts
    this.#problems.set('worker', { code: 'terminator.worker-failed', message });
  }

  #workerSettings(): WorkerSettings {
    if (this.#settings === undefined)
      throw new CertplaneError('internal.unexpected', 'A worker started without settings.');
    return { settings: this.#settings, httpsPort: this.#listeners.httpsPort(), ...this.#tlsInputs.trust };
  }

  /** Puts settings in effect, one set after the other. Returns what could not be opened; that is tried again. */
  async #configure(settings: TerminatorSettings): Promise<readonly CertplaneError[]> {
    const result = this.#configuring.then(() => this.#reconfigure(settings));
    this.#configuring = result.catch(() => undefined); // whoever asked gets the error
    return await result;
  }

  async #reconfigure(settings: TerminatorSettings): Promise<readonly CertplaneError[]> {
    const same = JSON.stringify(settings) === JSON.stringify(this.#settings);
    if (this.#drained !== undefined || (same && !this.#unopened)) return [];
    await this.#tlsInputs.update(settings);
    this.#settings = settings;
    const unfit = await this.#workerAccount.settle(settings.runAs);
    if (unfit !== undefined) return this.#show([unfit]);
    this.#holdings.bind(settings.hosts);
    this.#turns.touch();
    this.#pool.setCount(Math.max(1, settings.workers));
    const errors = [...(await this.#listeners.update(settings, () => this.#tellSettings(), this.#stop.signal))];
    const sources = this.#readers.update(settings.sources);
    // The copy may have some of sources that have been taken out of the configuration meanwhile.
    if (sources !== undefined) this.#holdings.retainSources(sources);
    await this.#metricsAddress
      .serve(settings.metrics, this.#stop.signal)
      .catch((error: unknown) => errors.push(toCertplaneError(error)));
    return this.#show(errors);
  }

  /** What keeps settings from being in effect as a whole. */
  #show(errors: readonly CertplaneError[]): readonly CertplaneError[] {
    this.#problems.replace('listen ', errors);
    this.#unopened = errors.length > 0;
    this.#reporter.touch();
    return errors;
  }

  #tellSettings(): void {
    this.#pool.apply([{ kind: 'settings', settings: this.#workerSettings() }]);
  }

  async #keepHouse(): Promise<void> {
    const { signal } = this.#stop;
    const { clock } = this.#options;
    while (await wait(clock, clock.now() + housekeepingMs, { signal })) {
      this.#pool.watchSilence();
      this.#problems.clearOld('worker', crashShownMs);
      if (this.#unopened && this.#settings !== undefined) await this.#configure(this.#settings);
    }
  }

  async #end(): Promise<void> {
    this.#stop.abort(new CertplaneError('process.aborted', 'The terminator is stopping.'));
    await this.drain();
    await Promise.all([...this.#tasks, this.#readers.ended()]);
    await this.#configuring;
    await this.#listeners.closeAll(); // what a change under way has opened since
    await this.#metricsAddress[Symbol.asyncDispose]();
    await this.#holdings.close();
  }
}
