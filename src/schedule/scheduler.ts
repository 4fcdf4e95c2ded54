import type { CertificateId } from '../core/certificate.ts';
import { isAbort } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Problem } from '../core/ports/control-view.ts';
import type { Issuer } from '../core/ports/issuer.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import { Bell } from '../state/bell.ts';
import { Listeners } from '../state/listeners.ts';
import type { Registry, RegistryEntry } from '../state/registry.ts';
import { Brake } from './brake.ts';
import type { Budget, Refused } from './budget.ts';
import { KeyedHeap } from './heap.ts';
import { askFor, Issuance } from './issuance.ts';
import { isSameQueue, priorityOf, queueOf, type Queue } from './priority.ts';
import { ReadyQueue } from './ready-queue.ts';
import { decide, type Decision } from './reconcile.ts';
import { Troubles } from './troubles.ts';
import { digestOf } from './wants.ts';

export interface SchedulerDeps {
  /** Loaded. */
  readonly registry: Registry;
  readonly issuers: ReadonlyMap<string, Issuer>;
  readonly store: CertificateStore;
  readonly clock: Clock;
  readonly log: Log;
  /** At most this many issuances at once, at least 1. An order that waits does not count. */
  readonly concurrency: number;
  /** Loaded. */
  readonly budget: Budget;
}

export interface SchedulerStats {
  /** Ready and waiting for a slot. */
  readonly queued: number;
  readonly inFlight: number;
  /** With a time of their own ahead of them. */
  readonly planned: number;
}

/**
 * Owns time: looks at each certificate when it is due and whenever the registry changes, and takes orders through their
 * steps, at most one per certificate. Stopping aborts what is in flight and awaits it; orders go on after the next start.
 */
export interface Scheduler extends Part {
  /** What it would do now and why; undefined for an unknown certificate. */
  decision(id: CertificateId): Decision | undefined;
  /** Takes effect at once; orders of an issuer that is gone are given up. */
  setIssuers(issuers: ReadonlyMap<string, Issuer>): void;
  /** At most this many issuances at once from now on; those under way go on. */
  setConcurrency(concurrency: number): void;
  /** Lets the mass re-issue go that the brake holds. Resolves once that is durable. */
  acceptReissue(signal: AbortSignal): Promise<void>;
  /** Looks at the clock again: a clock that was set back wakes nobody by itself. */
  lookAgain(): void;
  problems(): readonly Problem[];
  stats(): SchedulerStats;
  /** Ids whose decision may be another one though no record changed: time, slots, budgets, issuers. */
  onChange(listener: (ids: readonly CertificateId[]) => void): Disposable;
}

export function createScheduler(deps: SchedulerDeps): Scheduler {
  return new RunningScheduler(deps);
}

interface Run {
  readonly controller: AbortController;
  readonly queue: Queue;
  readonly done: Promise<void>;
}

const actions: ReadonlySet<Decision['action']> = new Set(['issue', 'renew', 'step', 'finish', 'abandon']);
const hour = 3_600_000;
const loopPauseMs = 5_000;

class RunningScheduler implements Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #issuance: Issuance;
  readonly #stop = new AbortController();
  readonly #bell = new Bell();
  readonly #brake = new Brake();
  readonly #due = new KeyedHeap();
  readonly #ready = new ReadyQueue();
  readonly #running = new Map<CertificateId, Run>();
  readonly #troubles: Troubles;
  readonly #listeners = new Listeners<readonly CertificateId[]>();
  #dirty = new Set<CertificateId>();
  #lookedAt = 0;
  #issuers: ReadonlyMap<string, Issuer>;
  #concurrency: number;
  #loop: Promise<void> | undefined;
  #subscription: Disposable | undefined;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#issuers = deps.issuers;
    this.#troubles = new Troubles(deps.clock, deps.log);
    this.#concurrency = deps.concurrency;
    const { registry, budget, clock, log } = deps;
    const issuer = (name: string): Issuer | undefined => this.#issuers.get(name);
    this.#issuance = new Issuance({ registry, budget, clock, log, issuer });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { registry, store } = this.#deps;
    await this.#brake.load(store, signal);
    this.#subscription = registry.onChange((ids) => this.#changed(ids));
    this.#dirty = new Set(registry.certificates().map(({ record }) => record.id));
    signal.addEventListener('abort', () => this.#stop.abort(), { once: true });
    if (signal.aborted) this.#stop.abort();
    this.#loop = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#subscription?.[Symbol.dispose]();
    await this.#loop;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  decision(id: CertificateId): Decision | undefined {
    const entry = this.#deps.registry.entry(id);
    if (entry === undefined) return undefined;
    const decision = this.#decide(entry);
    if (this.#running.has(id)) {
      if (decision.action === 'step' || decision.action === 'abandon') return decision;
      return { ...decision, action: 'step', reason: { code: 'order-in-progress', message: 'It is being worked on.' } };
    }
    if (!actions.has(decision.action)) return decision;
    const { issuer = '' } = decision;
    const message = this.#issuance.isProbed(issuer)
      ? `It waits for its turn: the issuer ${issuer} failed and is tried by one certificate at a time until one is issued.`
      : `It waits for one of ${this.#concurrency} slots for issuances.`;
    return { ...decision, action: 'wait', reason: { code: 'slot-waiting', message } };
  }

  setIssuers(issuers: ReadonlyMap<string, Issuer>): void {
    this.#issuers = issuers;
    this.#changed(this.#deps.registry.certificates().map(({ record }) => record.id));
  }

  setConcurrency(concurrency: number): void {
    this.#concurrency = concurrency;
    this.#changed(this.#deps.registry.certificates().map(({ record }) => record.id));
  }

  async acceptReissue(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#deps;
    // Changes that came just before count as well, looked at or not.
    for (const id of [...this.#dirty, ...this.#running.keys()]) this.#noteBrake(id, clock.now());
    this.#changed(await this.#brake.accept(store, clock.now(), signal));
  }

  lookAgain(): void {
    this.#bell.ring();
  }

  problems(): readonly Problem[] {
    const { since, size } = this.#brake;
    if (since === undefined) return [];
    const message =
      `${size.wanting} of ${size.managed} certificates would be issued again because their specification changed; ` +
      'this is held as a possible accident. Each takes the change when it is renewed or asked to; all at once with "certplane reload --accept-reissue".';
    return [{ code: 'brake-held', message, since }];
  }

  stats(): SchedulerStats {
    return { queued: this.#ready.size, inFlight: this.#running.size, planned: this.#due.size };
  }

  onChange(listener: (ids: readonly CertificateId[]) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Never rejects: an error of its own is logged, and it looks again a little later (never §5.10). */
  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        this.#bell.reset();
        const looked = this.#look();
        this.#fill();
        if (looked.length > 0) this.#listeners.tell(looked);
        await this.#bell.waitUntil(this.#due.peek()?.at, clock, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.error('The scheduler met an error of its own and goes on in 5 s.', { error });
        await clock.sleep(loopPauseMs, signal).then(undefined, () => undefined); // stopped meanwhile
      }
    }
  }

  /** Everything that changed or is due gets its decision; all changes count for the brake before any decision is made. */
  #look(): readonly CertificateId[] {
    const now = this.#deps.clock.now();
    if (now < this.#lookedAt) {
      // The clock was set back: what was planned by the wrong time is planned anew.
      this.#deps.budget.clockWasSetBack();
      for (const { record } of this.#deps.registry.certificates()) this.#dirty.add(record.id);
    }
    this.#lookedAt = now;
    for (let next = this.#due.peek(); next !== undefined && next.at <= now; next = this.#due.peek()) {
      this.#due.delete(next.key);
      this.#dirty.add(next.key);
    }
    let flipped = false;
    for (const id of this.#dirty) flipped = this.#noteBrake(id, now) || flipped;
    if (flipped) {
      for (const id of this.#brake.wanting) this.#dirty.add(id);
      const { wanting, managed } = this.#brake.size;
      const held = this.#brake.since !== undefined;
      this.#deps.log.warn(held ? 'A mass re-issue is held.' : 'The re-issue that was held goes on.', {
        wanting,
        managed,
      });
    }
    const looked = [...this.#dirty];
    this.#dirty.clear();
    for (const id of looked) if (!this.#running.has(id)) this.#place(id);
    return looked;
  }

  #noteBrake(id: CertificateId, now: number): boolean {
    try {
      return this.#brake.note(id, this.#deps.registry.entry(id), now);
    } catch (error) {
      this.#troubles.note(id, error);
      return false;
    }
  }

  #place(id: CertificateId): void {
    this.#due.delete(id);
    this.#ready.delete(id);
    const entry = this.#deps.registry.entry(id);
    if (entry === undefined) return;
    const decision = this.#decide(entry);
    if (actions.has(decision.action)) this.#ready.set(id, queueOf(decision, entry), priorityOf(decision, entry));
    else if (decision.at !== undefined) {
      // A damaged record can have no time at all; it must not stand in the way of the others.
      this.#due.set(id, Number.isNaN(decision.at) ? this.#deps.clock.now() + hour : decision.at);
    }
  }

  #fill(): void {
    const { registry } = this.#deps;
    const concurrency = this.#concurrency;
    // With several issuers none gets every slot: one that hangs must leave something for the others.
    const most = this.#issuers.size > 1 ? Math.max(1, Math.ceil(concurrency * 0.75)) : concurrency;
    while (this.#running.size < concurrency) {
      const next = this.#ready.pop((queue) => this.#isOpen(queue, most));
      if (next === undefined) return;
      const entry = registry.entry(next.id);
      if (entry === undefined) continue;
      const decision = this.#decide(entry);
      if (!actions.has(decision.action) || !isSameQueue(queueOf(decision, entry), next.queue)) {
        this.#place(next.id);
        continue;
      }
      const controller = new AbortController();
      const done = this.#work(next.id, decision, AbortSignal.any([this.#stop.signal, controller.signal]));
      this.#running.set(next.id, { controller, queue: next.queue, done });
    }
  }

  #isOpen({ issuer, starts }: Queue, most: number): boolean {
    if (issuer === '') return true;
    const running = [...this.#running.values()].filter(({ queue }) => queue.issuer === issuer);
    // One order finds out whether an issuer that failed as a whole is back.
    if (starts && this.#issuance.isProbed(issuer) && running.some(({ queue }) => queue.starts)) return false;
    return running.length < most;
  }

  /** Never rejects: what cannot be kept is tried again later, and said so. */
  async #work(id: CertificateId, decision: Decision, signal: AbortSignal): Promise<void> {
    try {
      // A turn of its own, so that whoever starts it has it among what is running.
      await Promise.resolve();
      await this.#act(id, decision, signal);
      this.#troubles.delete(id);
    } catch (caught) {
      if (!(signal.aborted && isAbort(caught))) this.#troubles.note(id, caught);
    } finally {
      this.#running.delete(id);
      this.#dirty.add(id);
      this.#bell.ring();
    }
  }

  async #act(id: CertificateId, decision: Decision, signal: AbortSignal): Promise<void> {
    switch (decision.action) {
      case 'issue':
      case 'renew':
        if (await this.#issuance.begin(id, decision, signal)) await this.#issuance.advance(id, signal);
        return;
      case 'step':
        return await this.#issuance.advance(id, signal);
      case 'abandon':
        return await this.#issuance.abandon(id, signal);
      case 'finish':
        return await this.#issuance.finish(id, signal);
      case 'none':
      case 'wait':
    }
  }

  #decide(entry: RegistryEntry): Decision {
    const { clock, budget } = this.#deps;
    const { id } = entry.record;
    const refused = (issuer: string): Refused | undefined =>
      this.#issuers.has(issuer)
        ? budget.check(askFor(entry, issuer))
        : { code: 'issuer.unknown', message: `No issuer ${issuer} is configured.` };
    const now = clock.now();
    const trouble = this.#troubles.get(id);
    try {
      return decide({ now, entry, refused, brake: this.#brake.holds(id), trouble });
    } catch (error) {
      // A record that cannot be understood holds up itself alone.
      const reason = trouble !== undefined && trouble.at > now ? trouble : this.#troubles.note(id, error);
      return { action: 'wait', reason, at: reason.at };
    }
  }

  #changed(ids: readonly CertificateId[]): void {
    for (const id of ids) {
      const run = this.#running.get(id);
      if (run === undefined) this.#dirty.add(id);
      else if (this.#isOutdated(id)) run.controller.abort();
    }
    this.#bell.ring();
  }

  /** Whether the order in flight is for something that is not wanted any more. */
  #isOutdated(id: CertificateId): boolean {
    const entry = this.#deps.registry.entry(id);
    if (entry === undefined) return true;
    const { record, order } = entry;
    if (order === undefined || order.abandoning === true) return false;
    const { spec, removedAt } = record;
    const wanted =
      removedAt === undefined && order.digest === digestOf(spec) && spec.issuers.includes(order.issuerName);
    return !wanted || !this.#issuers.has(order.issuerName);
  }
}
