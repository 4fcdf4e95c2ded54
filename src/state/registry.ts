import type { Bundle } from '../core/bundle.ts';
import type { CertificateId, CertificateSpec, VersionId } from '../core/certificate.ts';
import { CertplaneError, hasCode } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { Failure, OrderRecord, OutputState } from '../core/records.ts';
import { certificateKey, checkIssued, isOutcomeOpen, isUnfinished } from './adopt.ts';
import { dropChallenges, strayChallenges } from './challenges.ts';
import { compareDesired, desiredRecord, refuseMassRemoval } from './desired.ts';
import { announce } from './steps.ts';
import type { Feed } from './feed.ts';
import { createFinish, keptVersions, type Note } from './finish.ts';
import { Listeners } from './listeners.ts';
import { loadRows, surplusVersions } from './registry-load.ts';
import { Rows, type RegistryEntry, type Row } from './rows.ts';
import { eachOf, Serial } from '../core/serial.ts';

export type { RegistryEntry } from './rows.ts';

/** Versions of a certificate that left the desired set are kept this long. */
export const keepRemovedMs = 30 * 86_400_000;
/** Between the look that finds a certificate due for deletion and the one that deletes it. */
export const purgePauseMs = 20 * 3_600_000;
/** Writes on their way at once where many certificates change together; the store commits them in groups. */
const lanes = 64;

/**
 * The one mutator of certificates, versions and orders. In memory after `load`; every change is in the store before it is
 * in memory, and the changes of one certificate happen one at a time. No change costs more for a larger fleet.
 *
 * Everything that writes throws what the store throws (`store.unavailable`, `store.conflict`, …); memory is then as the
 * store is. Functions that take an id throw `certificate.not-found`.
 */
export interface Registry {
  load(signal: AbortSignal): Promise<void>;
  /** Makes this the desired set. Throws `config.removal-held`; nothing has changed then. */
  apply(
    desired: readonly CertificateSpec[],
    options: { readonly acceptRemoval: boolean; readonly actor: string },
    signal: AbortSignal,
  ): Promise<{ added: number; changed: number; removed: number }>;
  certificates(): readonly RegistryEntry[];
  entry(id: CertificateId): RegistryEntry | undefined;
  /** Throws `store.not-found`. */
  bundle(versionId: VersionId, signal: AbortSignal): Promise<Bundle>;
  /** Throws `certificate.removed`, `renewal.in-progress`. */
  requestRenewal(id: CertificateId, actor: string, signal: AbortSignal): Promise<void>;
  recordDelivery(id: CertificateId, outputId: string, state: OutputState, signal: AbortSignal): Promise<void>;
  /** Key of the order under way, once it has one. */
  orderKey(id: CertificateId, signal: AbortSignal): Promise<string | undefined>;
  /** Without `keyPem` the key saved before stays. */
  saveOrder(order: OrderRecord, keyPem: string | undefined, signal: AbortSignal): Promise<void>;
  endOrder(id: CertificateId, signal: AbortSignal): Promise<void>;
  /**
   * Checks what the order brought and puts it in use: version, certificate, order, feed, history, in this order.
   * Throws `certificate.*` when it is refused (the order stands, for `failOrder`); after any other error the version may
   * be stored and `finish` goes on from there.
   */
  completeOrder(id: CertificateId, bundle: Bundle, signal: AbortSignal, caPem?: string): Promise<void>;
  /** Keeps the failure and the time of the next attempt; the order is left with `abandoning` for its clean-up. */
  failOrder(order: OrderRecord, failure: Failure, retryAt: number, signal: AbortSignal): Promise<void>;
  /** Does what a crash, a full disk or a notBefore left to be done. Does nothing where nothing is. */
  finish(id: CertificateId, signal: AbortSignal): Promise<void>;
  /**
   * Deletes what has been removed for more than 30 days, at the second look, most of a day after the first one: a clock
   * that jumped ahead and is set right again costs no keys. Resolves how many certificates.
   */
  purge(now: number, signal: AbortSignal): Promise<number>;
  /** Called synchronously after a change; batch on your side. */
  onChange(listener: (ids: readonly CertificateId[]) => void): Disposable;
}

export function createRegistry(deps: { store: CertificateStore; feed: Feed; clock: Clock; log: Log }): Registry {
  return new StoredRegistry(deps);
}

class StoredRegistry implements Registry {
  readonly #store: CertificateStore;
  readonly #feed: Feed;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rows: Rows;
  readonly #serial = new Serial();
  readonly #listeners = new Listeners<readonly CertificateId[]>();
  readonly #finish: (row: Row, signal: AbortSignal) => Promise<void>;

  constructor(deps: { store: CertificateStore; feed: Feed; clock: Clock; log: Log }) {
    this.#store = deps.store;
    this.#feed = deps.feed;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#rows = new Rows(deps.store);
    const note = async (entry: Note, signal: AbortSignal): Promise<void> => await this.#note(entry, signal);
    this.#finish = createFinish({ ...deps, rows: this.#rows, note });
  }

  async load(signal: AbortSignal): Promise<void> {
    await loadRows({ store: this.#store, rows: this.#rows, log: this.#log }, signal);
    await eachOf(this.#rows.all(), lanes, async (row) => {
      const { stored } = row.entry;
      if (isOutcomeOpen(row.entry)) await this.#keepOutcome(row, signal);
      const surplus = surplusVersions(row, keptVersions).length > 0;
      if (stored !== undefined || surplus || isUnfinished(row.entry, this.#published(row))) {
        await this.#finish(row, signal);
      }
    });
    const orders = [...this.#rows.all()].flatMap(({ entry }) => entry.order ?? []);
    await eachOf(
      strayChallenges(this.#feed, orders),
      lanes,
      async (key) => void (await this.#feed.remove(key, signal)),
    );
  }

  async apply(
    desired: readonly CertificateSpec[],
    { acceptRemoval, actor }: { readonly acceptRemoval: boolean; readonly actor: string },
    signal: AbortSignal,
  ): Promise<{ added: number; changed: number; removed: number }> {
    return await this.#serial.run('', async () => {
      const records = [...this.#rows.all()].map(({ entry }) => entry.record);
      const wanted = new Map(desired.map((spec) => [spec.id, spec]));
      const { added, changed, removed } = compareDesired(wanted, records, this.#clock.now());
      const managed = records.filter(({ removedAt }) => removedAt === undefined).length;
      if (!acceptRemoval) refuseMassRemoval(removed.length, managed);
      const done: CertificateId[] = [];
      try {
        await eachOf(added, lanes, async (record) => {
          await this.#rows.create(record, signal);
          done.push(record.id);
        });
        await eachOf([...changed, ...removed], lanes, async ({ id }) => {
          await this.#serial.run(id, async () => {
            // Computed again from what is there now: a delivery or an order may have written in between.
            const row = this.#row(id);
            const record = desiredRecord(row.entry.record, wanted.get(id), this.#clock.now());
            if (record !== undefined) await this.#rows.putRecord(row, record, signal);
          });
          done.push(id);
        });
      } finally {
        if (done.length > 0) this.#listeners.tell(done);
      }
      const counts = { added: added.length, changed: changed.length, removed: removed.length };
      if (done.length > 0) {
        const message = `${counts.added} added, ${counts.changed} changed, ${counts.removed} removed.`;
        await this.#note({ kind: 'config', code: 'config-applied', message, actor }, signal);
        for (const { id } of removed.slice(0, 1000)) {
          const words = 'It left the configuration: no more renewals; its versions are kept for 30 days.';
          await this.#note({ kind: 'removed', certificateId: id, code: 'removed', message: words, actor }, signal);
        }
      }
      return counts;
    });
  }

  certificates(): readonly RegistryEntry[] {
    return [...this.#rows.all()].map(({ entry }) => entry);
  }

  entry(id: CertificateId): RegistryEntry | undefined {
    return this.#rows.get(id)?.entry;
  }

  async bundle(versionId: VersionId, signal: AbortSignal): Promise<Bundle> {
    const current = this.entry(versionId.slice(0, versionId.lastIndexOf('#')))?.current;
    const chainPem =
      current?.id === versionId
        ? current.chainPem
        : (await this.#store.get('version', versionId, signal)).value.chainPem;
    const { keyPem } = await this.#store.secret('version', versionId, signal);
    return { chainPem, keyPem };
  }

  async requestRenewal(id: CertificateId, actor: string, signal: AbortSignal): Promise<void> {
    await this.#change(id, async (row) => {
      const { record, order } = row.entry;
      if (record.removedAt !== undefined) {
        throw new CertplaneError('certificate.removed', `${id} is no longer in the configuration; nothing renews it.`);
      }
      const waiting = record.renewalRequestedAt !== undefined && record.failures === 0;
      if (waiting || (order !== undefined && order.abandoning !== true)) {
        throw new CertplaneError('renewal.in-progress', `A renewal of ${id} is already running.`);
      }
      const asked = { ...record, renewalRequestedAt: this.#clock.now(), retryAt: undefined };
      await this.#rows.putRecord(row, asked, signal);
      const message = 'A renewal was asked for.';
      await this.#note({ kind: 'admin', certificateId: id, code: 'requested', message, actor }, signal);
    });
  }

  async recordDelivery(id: CertificateId, outputId: string, state: OutputState, signal: AbortSignal): Promise<void> {
    await this.#change(id, async (row) => {
      const { record } = row.entry;
      const before = record.outputs[outputId];
      await this.#rows.putRecord(row, { ...record, outputs: { ...record.outputs, [outputId]: state } }, signal);
      const about = { certificateId: id, actor: 'scheduler', details: { output: outputId, version: state.versionId } };
      if (state.failures > 0 && state.failure !== undefined) {
        const { code, message } = state.failure;
        await this.#note({ kind: 'delivery-failed', code, message: `${outputId}: ${message}`, ...about }, signal);
      } else if (before?.versionId !== state.versionId || (before?.failures ?? 0) > 0) {
        await this.#note(
          { kind: 'delivered', code: 'delivered', message: `Delivered to ${outputId}.`, ...about },
          signal,
        );
      }
    });
  }

  async orderKey(id: CertificateId, signal: AbortSignal): Promise<string | undefined> {
    try {
      // A record without a secret may answer with nothing as well as with an error.
      const secret = (await this.#store.secret('order', id, signal)) as { readonly keyPem: string } | undefined;
      return secret?.keyPem;
    } catch (error) {
      if (hasCode(error, 'store.not-found')) return undefined;
      throw error;
    }
  }

  async saveOrder(order: OrderRecord, keyPem: string | undefined, signal: AbortSignal): Promise<void> {
    const id = order.certificateId;
    await this.#change(id, async (row) => {
      const begins = row.entry.order === undefined;
      const versionNumber = begins ? row.entry.record.nextNumber : row.entry.order?.versionNumber;
      await this.#rows.putOrder(row, { ...order, versionNumber }, keyPem, signal);
      if (order.abandoning !== true) announce(id, order.step);
      if (!begins) return;
      const { code } = order.reason;
      const message = `Issuance by ${order.issuerName} begins: ${order.reason.message}`;
      await this.#note({ kind: 'attempt', certificateId: id, code, message, actor: 'scheduler' }, signal);
    });
  }

  async endOrder(id: CertificateId, signal: AbortSignal): Promise<void> {
    await this.#change(id, async (row) => {
      const { order } = row.entry;
      if (isOutcomeOpen(row.entry)) await this.#keepOutcome(row, signal);
      if (order !== undefined) await dropChallenges(this.#feed, order, signal);
      await this.#rows.deleteOrder(row, signal);
    });
  }

  async completeOrder(id: CertificateId, bundle: Bundle, signal: AbortSignal, caPem?: string): Promise<void> {
    await this.#change(id, async (row) => {
      const { order } = row.entry;
      if (order === undefined) throw new CertplaneError('issuance.cancelled', `There is no order of ${id} any more.`);
      const version = checkIssued(row.entry, order, { bundle, caPem }, this.#clock.now());
      await this.#rows.putVersion(row, version, bundle.keyPem, signal);
      announce(id, 'stored');
      await this.#finish(row, signal);
    });
  }

  async failOrder(order: OrderRecord, failure: Failure, retryAt: number, signal: AbortSignal): Promise<void> {
    const id = order.certificateId;
    await this.#change(id, async (row) => {
      const outcome = { failure, retryAt };
      const over = { ...order, versionNumber: row.entry.order?.versionNumber, abandoning: true, outcome };
      await this.#rows.putOrder(row, over, undefined, signal);
      await this.#keepOutcome(row, signal);
    });
  }

  async finish(id: CertificateId, signal: AbortSignal): Promise<void> {
    await this.#change(id, async (row) => await this.#finish(row, signal));
  }

  async purge(now: number, signal: AbortSignal): Promise<number> {
    let purged = 0;
    for (const { record } of this.certificates()) {
      if (record.removedAt === undefined) continue;
      await this.#change(record.id, async (row) => {
        const { id, removedAt, purgeSeenAt } = row.entry.record;
        const due = removedAt !== undefined && removedAt + keepRemovedMs <= now;
        const seenAt = due ? Math.min(purgeSeenAt ?? now, now) : undefined;
        if (seenAt !== purgeSeenAt) {
          await this.#rows.putRecord(row, { ...row.entry.record, purgeSeenAt: seenAt }, signal);
        }
        if (seenAt === undefined || seenAt + purgePauseMs > now) return;
        await this.#feed.remove(certificateKey(id), signal);
        if (row.entry.order !== undefined) await dropChallenges(this.#feed, row.entry.order, signal);
        for (const version of row.versions) await this.#rows.deleteVersion(row, version.id, signal);
        await this.#rows.deleteOrder(row, signal);
        await this.#rows.deleteRecord(row, signal);
        const message = 'It was removed 30 days ago; its versions have been deleted.';
        await this.#note({ kind: 'removed', certificateId: id, code: 'purged', message, actor: 'scheduler' }, signal);
        purged += 1;
      });
    }
    return purged;
  }

  onChange(listener: (ids: readonly CertificateId[]) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /** Counts the failure that the order ended in. */
  async #keepOutcome(row: Row, signal: AbortSignal): Promise<void> {
    const { record, order } = row.entry;
    if (order?.outcome === undefined) return;
    const { failure, retryAt } = order.outcome;
    const { code, message, issuer, problem, at } = failure;
    const failures = record.failures + 1;
    await this.#rows.putRecord(row, { ...record, failures, lastFailure: failure, retryAt, lastAttemptAt: at }, signal);
    const about = { certificateId: record.id, actor: 'scheduler', details: { issuer, problem, retryAt } };
    await this.#note({ kind: 'failed', code, message, ...about }, signal);
  }

  /** Tells of a change also when it ended in an error: some of it may have happened. */
  async #change(id: CertificateId, work: (row: Row) => Promise<void>): Promise<void> {
    await this.#serial.run(id, async () => {
      const row = this.#row(id);
      const before = row.entry;
      try {
        await work(row);
      } finally {
        if (row.entry !== before || this.#rows.get(id) === undefined) this.#listeners.tell([id]);
      }
    });
  }

  #row(id: CertificateId): Row {
    const row = this.#rows.get(id);
    if (row === undefined) throw new CertplaneError('certificate.not-found', `There is no certificate ${id}.`);
    return row;
  }

  #published(row: Row): unknown {
    return this.#feed.item(certificateKey(row.entry.record.id));
  }

  async #note(entry: Note, signal: AbortSignal): Promise<void> {
    try {
      await this.#store.append({ at: this.#clock.now(), ...entry }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // History may be lossy: what it tells of has happened, and must not be undone or repeated for it.
      this.#log.error('A history entry could not be kept.', { error: String(error), code: entry.code });
    }
  }
}
