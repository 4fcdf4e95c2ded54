import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { BudgetRecord } from '../core/records.ts';
import { timeText } from '../core/time-text.ts';
import { allRecords } from '../state/pages.ts';
import { Serial } from '../core/serial.ts';
import {
  certificateBuckets,
  failureBuckets,
  orderBuckets,
  type Ask,
  type Bucket,
  type IssuerLimits,
} from './limits.ts';

/** Why an issuer may not be asked now, and until when. */
export interface Refused {
  readonly code: string;
  readonly message: string;
  readonly at?: number | undefined;
}

/**
 * Rate budgets and Retry-After, per issuer (never §5.5). Tokens are spent, durably, before the request they are for: a
 * crash in between loses a token, never the CA's patience. Issuers without limits only know Retry-After.
 * What writes throws what the store throws.
 */
export interface Budget {
  load(signal: AbortSignal): Promise<void>;
  /** Limits by issuer name; ACME issuers only. */
  setLimits(limits: ReadonlyMap<string, IssuerLimits>): void;
  check(ask: Ask): Refused | undefined;
  /** Spends for one order, or says why not; nothing is spent then. */
  spend(ask: Ask, signal: AbortSignal): Promise<Refused | undefined>;
  /**
   * An order that spent ended without a certificate, or without having been sent: what counts certificates, or all it
   * drew from, gets its token back.
   */
  refund(ask: Ask, what: 'certificate' | 'order', signal: AbortSignal): Promise<void>;
  /** Nobody asks this issuer (for one certificate, where one is named) before `until`. */
  block(issuer: string, until: number, signal: AbortSignal, certificateId?: string): Promise<void>;
  /** End of the issuer's own block, while there is one. */
  blockedUntil(issuer: string): number | undefined;
  noteFailedNames(issuer: string, names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Counts what was noted in what is now the future from now on; what is not told is counted when it is next asked for. */
  clockWasSetBack(): void;
  /** Deletes records that say nothing any more. Resolves how many. */
  prune(signal: AbortSignal): Promise<number>;
}

export function createBudget(deps: {
  store: CertificateStore;
  clock: Clock;
  limits: ReadonlyMap<string, IssuerLimits>;
}): Budget {
  return new StoredBudget(deps);
}

class StoredBudget implements Budget {
  readonly #store: CertificateStore;
  readonly #clock: Clock;
  readonly #records = new Map<string, BudgetRecord>();
  readonly #serial = new Serial();
  #limits: ReadonlyMap<string, IssuerLimits>;

  constructor(deps: { store: CertificateStore; clock: Clock; limits: ReadonlyMap<string, IssuerLimits> }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#limits = deps.limits;
  }

  async load(signal: AbortSignal): Promise<void> {
    this.#records.clear();
    for await (const { key, value } of allRecords(this.#store, 'budget', signal)) this.#records.set(key, value);
    for (const [key, before] of this.#records) {
      const record = this.#record(key);
      if (record !== undefined && record !== before) await this.#put(record, signal);
    }
  }

  setLimits(limits: ReadonlyMap<string, IssuerLimits>): void {
    this.#limits = limits;
  }

  check(ask: Ask): Refused | undefined {
    const blocked = this.#blocked(ask);
    if (blocked !== undefined) return blocked;
    const { orders, failures } = this.#buckets(ask);
    let refused: Refused | undefined;
    for (const bucket of [...orders, ...failures]) {
      const at = this.#whenOne(bucket);
      if (at === undefined || at <= (refused?.at ?? 0)) continue;
      const message = `The rate budget of ${ask.issuer} for ${bucket.what} is spent until ${timeText(at)}.`;
      refused = { code: 'rate-budget', message, at };
    }
    return refused;
  }

  async spend(ask: Ask, signal: AbortSignal): Promise<Refused | undefined> {
    return await this.#serial.run('', async () => {
      const refused = this.check(ask);
      if (refused !== undefined) return refused;
      for (const bucket of this.#buckets(ask).orders) await this.#add(bucket, -1, signal);
      return undefined;
    });
  }

  async refund(ask: Ask, what: 'certificate' | 'order', signal: AbortSignal): Promise<void> {
    const limits = this.#limits.get(ask.issuer) ?? {};
    const buckets = what === 'order' ? orderBuckets(ask, limits) : certificateBuckets(ask, limits);
    await this.#serial.run('', async () => {
      for (const bucket of buckets) await this.#add(bucket, 1, signal);
    });
  }

  async block(issuer: string, until: number, signal: AbortSignal, certificateId?: string): Promise<void> {
    const key = blockKey(issuer, certificateId);
    await this.#serial.run('', async () => {
      const present = this.#block(key);
      if (present !== undefined && present >= until) return;
      await this.#put({ name: key, tokens: 0, updatedAt: this.#clock.now(), blockedUntil: until }, signal);
    });
  }

  blockedUntil(issuer: string): number | undefined {
    return this.#block(blockKey(issuer));
  }

  async noteFailedNames(issuer: string, names: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#serial.run('', async () => {
      for (const bucket of failureBuckets(issuer, names, this.#limits.get(issuer) ?? {})) {
        await this.#add(bucket, -1, signal);
      }
    });
  }

  clockWasSetBack(): void {
    for (const key of this.#records.keys()) this.#record(key);
  }

  async prune(signal: AbortSignal): Promise<number> {
    const now = this.#clock.now();
    const week = 8 * 86_400_000;
    return await this.#serial.run('', async () => {
      // No limit has a longer span than a week: an older bucket is full again.
      const stale = [...this.#records.values()].filter(
        ({ updatedAt, blockedUntil }) => updatedAt + week < now && (blockedUntil ?? 0) <= now,
      );
      for (const { name } of stale) {
        await this.#store.delete('budget', name, 'any', signal);
        this.#records.delete(name);
      }
      return stale.length;
    });
  }

  #blocked({ issuer, certificateId }: Ask): Refused | undefined {
    const all = this.#block(blockKey(issuer));
    const one = this.#block(blockKey(issuer, certificateId));
    if (all === undefined && one === undefined) return undefined;
    const at = Math.max(all ?? 0, one ?? 0);
    const message = `The issuer ${issuer} is not asked again before ${timeText(at)}: it is out of reach or asked for a pause.`;
    return { code: 'issuer-blocked', message, at };
  }

  #block(key: string): number | undefined {
    const until = this.#record(key)?.blockedUntil;
    return until !== undefined && until > this.#clock.now() ? until : undefined;
  }

  /** Noted in what is now the future, when the clock was ahead: it counts from now, with the length it had. */
  #record(key: string): BudgetRecord | undefined {
    const now = this.#clock.now();
    const record = this.#records.get(key);
    if (record === undefined || record.updatedAt <= now) return record;
    const { updatedAt, blockedUntil: until } = record;
    const blockedUntil = until === undefined ? undefined : Math.min(until, now + (until - updatedAt));
    const counted = { ...record, updatedAt: now, ...(blockedUntil === undefined ? {} : { blockedUntil }) };
    this.#records.set(key, counted);
    return counted;
  }

  #buckets(ask: Ask): { orders: Bucket[]; failures: Bucket[] } {
    const limits = this.#limits.get(ask.issuer) ?? {};
    return { orders: orderBuckets(ask, limits), failures: failureBuckets(ask.issuer, ask.names, limits) };
  }

  #tokens({ key, limit }: Bucket): number {
    const record = this.#record(key);
    if (record === undefined) return limit.amount;
    const elapsed = this.#clock.now() - record.updatedAt;
    return Math.min(limit.amount, record.tokens + (elapsed * limit.amount) / limit.perMs);
  }

  /** When there will be a whole token; undefined: there is one. */
  #whenOne(bucket: Bucket): number | undefined {
    const missing = 1 - this.#tokens(bucket);
    if (missing <= 1e-9) return undefined;
    return this.#clock.now() + Math.ceil((missing * bucket.limit.perMs) / bucket.limit.amount);
  }

  async #add(bucket: Bucket, change: 1 | -1, signal: AbortSignal): Promise<void> {
    const tokens = Math.min(bucket.limit.amount, Math.max(0, this.#tokens(bucket) + change));
    await this.#put({ name: bucket.key, tokens, updatedAt: this.#clock.now() }, signal);
  }

  async #put(record: BudgetRecord, signal: AbortSignal): Promise<void> {
    await this.#store.put('budget', { key: record.name, value: record, expect: 'any' }, signal);
    this.#records.set(record.name, record);
  }
}

function blockKey(issuer: string, certificateId?: string): string {
  return certificateId === undefined ? `${issuer}/blocked` : `${issuer}/blocked/${certificateId}`;
}
