import type { CertificateSpec } from '../../../src/core/certificate.ts';
import { CertplaneError } from '../../../src/core/errors.ts';
import type { CertificateStore } from '../../../src/core/ports/certificate-store.ts';
import type { Issuer } from '../../../src/core/ports/issuer.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { createBudget, type Budget } from '../../../src/schedule/budget.ts';
import type { IssuerLimits } from '../../../src/schedule/limits.ts';
import { createScheduler, type Scheduler } from '../../../src/schedule/scheduler.ts';
import { createFeed, type Feed } from '../../../src/state/feed.ts';
import { createRegistry, type Registry } from '../../../src/state/registry.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';

export const signal = new AbortController().signal;

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

export function spec(id: string, more: Partial<CertificateSpec> = {}): CertificateSpec {
  const dnsNames = [`${id.split('/').at(-1)}.example.com`];
  return { id, name: id, dnsNames, issuers: ['ca'], key: { algorithm: 'ecdsa', size: 256 }, outputs: [], ...more };
}

export interface PlantOptions {
  readonly clock?: ManualClock;
  readonly store?: CertificateStore;
  readonly issuers: readonly Issuer[];
  readonly concurrency?: number;
  readonly limits?: ReadonlyMap<string, IssuerLimits>;
}

/** Registry, budget and scheduler on one store and clock: a control process as far as issuing goes. */
export class Plant implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: CertificateStore;
  readonly options: PlantOptions;
  readonly feed: Feed;
  readonly registry: Registry;
  readonly budget: Budget;
  readonly scheduler: Scheduler;
  readonly #gate: Gate;

  constructor(options: PlantOptions) {
    this.options = options;
    this.clock = options.clock ?? new ManualClock();
    this.store = options.store ?? new MemoryStore();
    this.#gate = new Gate();
    const { clock } = this;
    const log = silentLog;
    const store = this.#gate.around(this.store);
    this.feed = createFeed({ store, log });
    this.registry = createRegistry({ store, feed: this.feed, clock, log });
    this.budget = createBudget({ store, clock, limits: options.limits ?? new Map() });
    const issuers = new Map(options.issuers.map((issuer) => [issuer.name, issuer]));
    const { registry, budget } = this;
    const concurrency = options.concurrency ?? 4;
    this.scheduler = createScheduler({ registry, issuers, store, clock, log, concurrency, budget });
  }

  async start(): Promise<this> {
    await this.feed.load(signal);
    await this.registry.load(signal);
    await this.budget.load(signal);
    await this.scheduler.start(signal);
    return this;
  }

  async apply(...specs: CertificateSpec[]): Promise<void> {
    await this.registry.apply(specs, { acceptRemoval: true, actor: 'test' }, signal);
  }

  /** A process that ends without a word: from now on nothing it does reaches the store. */
  async kill(): Promise<void> {
    this.#gate.closed = true;
    await this.scheduler[Symbol.asyncDispose]();
  }

  /** The next process on the same store and clock. */
  async restart(options: Partial<PlantOptions> = {}): Promise<Plant> {
    await this.scheduler[Symbol.asyncDispose]();
    return await new Plant({ ...this.options, clock: this.clock, store: this.store, ...options }).start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scheduler[Symbol.asyncDispose]();
  }
}

export async function plant(options: PlantOptions): Promise<Plant> {
  return await new Plant(options).start();
}

class Gate {
  closed = false;

  around(store: CertificateStore): CertificateStore {
    return new Proxy(store, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown => {
          if (this.closed) return Promise.reject(new CertplaneError('store.unavailable', 'The process is dead.'));
          return Reflect.apply(member, target, args);
        };
      },
    });
  }
}
