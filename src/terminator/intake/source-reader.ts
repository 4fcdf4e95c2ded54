import type { Bundle } from '../../core/bundle.ts';
import { errorCodes, toCertplaneError, type ErrorCode } from '../../core/errors.ts';
import {
  feedKey,
  type CertificateItem,
  type FeedItem,
  type FeedKey,
  type Refusal,
  type Revision,
} from '../../core/feed.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { CertificateSource, SourceEvent } from '../../core/ports/certificate-source.ts';
import type { Log } from '../../core/ports/log.ts';
import { judge } from '../../core/policy.ts';
import { admit } from './admission.ts';
import type { Problems } from './problems.ts';
import { SnapshotBrake } from './snapshot-brake.ts';
import { wait } from './wait.ts';
import { slotOf, type LoadedEntry, type TableEntry } from './table.ts';

/** What a reader does to the rest of the terminator. Every call takes effect at once. */
export interface Intake {
  current(slot: string): TableEntry | undefined;
  put(loaded: LoadedEntry, item: CertificateItem): void;
  drop(slot: string): void;
  /** Challenges and settings; only the feed has them. Resolves when new addresses are open. */
  other(item: Exclude<FeedItem, CertificateItem>): Promise<void>;
  otherRemoved(key: FeedKey): void;
  /** Everything up to the revision has been handed over. `complete`: a whole snapshot has been. */
  reached(source: string, revision: Revision, complete: boolean): void;
  /** What is refused has changed although the revision has not. */
  refusalsChanged(): void;
  /** Names a certificate of this source must go on covering: hosts of routes among those it covers now. */
  wantedNames(entry: TableEntry | undefined, item: CertificateItem): readonly string[];
}

export interface SourceReaderDeps {
  readonly source: CertificateSource;
  readonly rank: number;
  readonly intake: Intake;
  readonly problems: Problems;
  readonly clock: Clock;
  readonly log: Log;
}

/** A version that is announced and not in use. */
interface Contender {
  readonly item: CertificateItem;
  readonly refusal: Refusal;
  /** When to try it again; absent: never by itself. */
  readonly retryAt?: number | undefined;
  readonly failures: number;
}

const parallelFetches = 8;
const firstRetryMs = 250;
const longestRetryMs = 30_000;

/** Reads one source for life: fetches and checks what it announces, and lets nothing worse replace what serves. */
export class SourceReader {
  readonly #deps: SourceReaderDeps;
  readonly #known = new Map<FeedKey, FeedItem>();
  readonly #contenders = new Map<FeedKey, Contender>();
  readonly #brake = new SnapshotBrake();
  #lastTrouble = '';
  #wake = Promise.withResolvers<void>();
  /** One change at a time, whether it comes from the source or from a retry. */
  #turn: Promise<void> = Promise.resolve();

  constructor(deps: SourceReaderDeps) {
    this.#deps = deps;
  }

  /** What was served from this source before a restart counts as known. */
  restore(items: Iterable<FeedItem>): void {
    for (const item of items) this.#known.set(feedKey(item), item);
  }

  /** What is served is what the source announced last: nothing is refused, nothing is held by the brake. */
  get settled(): boolean {
    return this.#contenders.size === 0 && !this.#brake.holds;
  }

  get refusals(): readonly Refusal[] {
    return [...this.#contenders.values()].map(({ refusal }) => refusal);
  }

  /** Ends with the signal only. */
  async run(since: Revision | undefined, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const retries = this.#retryContenders(either);
    try {
      for await (const event of this.#deps.source.subscribe({ since, signal })) {
        if (signal.aborted) break;
        await this.#exclusive(() => this.#take(event, signal));
      }
    } finally {
      ended.abort();
      await retries;
    }
  }

  /** Lets go of what the brake holds. */
  async confirmShrink(): Promise<void> {
    await this.#exclusive(() => {
      for (const key of this.#brake.confirm()) this.#remove(key);
      this.#deps.problems.clear(this.#problemKey('shrunk'));
      return Promise.resolve();
    });
  }

  /** Another reader of the same source goes on from here; what is served stays. */
  handOver(successor: SourceReader): void {
    successor.restore(this.#known.values());
    this.#known.clear();
    this.#deps.problems.clearPrefix(this.#problemKey(''));
  }

  /** The source is no longer configured: everything from it goes, unless another source serves the host. */
  dispose(): void {
    for (const key of this.#known.keys()) this.#remove(key);
    this.#deps.problems.clearPrefix(this.#problemKey(''));
  }

  async #take(event: SourceEvent, signal: AbortSignal): Promise<void> {
    const { intake, source } = this.#deps;
    switch (event.type) {
      case 'trouble':
        this.#trouble(event.problem);
        return;
      case 'item':
        await this.#takeItem(event.item, signal);
        break;
      case 'removed':
        this.#brake.forget(event.key);
        this.#remove(event.key);
        break;
      case 'snapshot':
        await this.#takeItems(event.items, signal);
        this.#brake.collect(event.revision, event.items);
        if (!event.complete) return;
        this.#endSnapshot();
        break;
    }
    if (!signal.aborted) intake.reached(source.name, event.revision, event.type === 'snapshot');
  }

  #endSnapshot(): void {
    const { problems, source } = this.#deps;
    const { gone, held } = this.#brake.finish([...this.#known.keys()]);
    for (const key of gone) this.#remove(key);
    if (held.length === 0) problems.clear(this.#problemKey('shrunk'));
    else {
      problems.set(this.#problemKey('shrunk'), {
        code: 'terminator.source-shrunk',
        message:
          `${source.name} no longer lists ${held.length} of ${this.#certificateCount()} certificates. They stay served. ` +
          `If that is meant, let them go with "certplane reload --accept-removal" or "kill -HUP ${process.pid}".`,
        subject: source.name,
      });
    }
  }

  #certificateCount(): number {
    let count = 0;
    for (const key of this.#known.keys()) if (key.startsWith('certificate/')) count += 1;
    return count;
  }

  async #takeItems(items: readonly FeedItem[], signal: AbortSignal): Promise<void> {
    let next = 0;
    const fetcher = async (): Promise<void> => {
      for (let item = items[next++]; item !== undefined && !signal.aborted; item = items[next++]) {
        await this.#takeItem(item, signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(parallelFetches, items.length) }, fetcher));
  }

  async #takeItem(item: FeedItem, signal: AbortSignal): Promise<void> {
    const key = feedKey(item);
    if (item.kind !== 'certificate') {
      if (JSON.stringify(this.#known.get(key)) === JSON.stringify(item)) return;
      this.#known.set(key, item);
      await this.#deps.intake.other(item);
      return;
    }
    this.#known.set(key, item);
    await this.#try(item, signal, 0);
  }

  #remove(key: FeedKey): void {
    const item = this.#known.get(key);
    this.#known.delete(key);
    if (this.#contenders.delete(key)) this.#deps.problems.clear(this.#problemKey(key));
    if (item?.kind === 'certificate') this.#deps.intake.drop(slotOf(this.#deps.source.name, item.certificateId));
    else if (item !== undefined) this.#deps.intake.otherRemoved(key);
  }

  /** Puts the version in use if it is better than what is; otherwise it becomes the contender, with the reason. */
  async #try(item: CertificateItem, signal: AbortSignal, failures: number): Promise<void> {
    const { intake, source, clock } = this.#deps;
    const slot = slotOf(source.name, item.certificateId);
    const current = intake.current(slot);
    if (current?.versionId === item.versionId && current.fingerprint256 === item.fingerprint256) {
      this.#settle(item);
      return;
    }
    let bundle: Bundle;
    try {
      bundle = await source.material(item.versionId, signal);
    } catch (error) {
      if (signal.aborted) return;
      const { code, message } = toCertplaneError(error, 'terminator.source-unreadable');
      const retryAt = clock.now() + Math.min(longestRetryMs, firstRetryMs * 2 ** failures);
      this.#contend({ item, refusal: { key: feedKey(item), code, message }, retryAt, failures: failures + 1 });
      return;
    }
    // It may have been announced anew, or removed, while it was on its way.
    if (this.#known.get(feedKey(item)) !== item) return;
    try {
      const facts = admit(item, bundle);
      const now = clock.now();
      const verdict = judge(facts, current, {
        names: intake.wantedNames(current, item),
        now,
        mayEndEarlier: this.#deps.rank === 0, // control has judged it
      });
      if (verdict.action === 'use') {
        const entry = { ...facts, slot, versionId: item.versionId, certificateId: item.certificateId };
        intake.put({ entry: tableEntry(entry, source.name, this.#deps.rank), bundle }, item);
        this.#settle(item);
        return;
      }
      const hold = verdict.action === 'hold';
      const code: ErrorCode = hold ? 'certificate.not-yet-valid' : 'certificate.worse';
      const retryAt = hold ? verdict.until : Math.max(now + longestRetryMs, current?.notAfter ?? 0);
      this.#contend({ item, refusal: { key: feedKey(item), code, message: verdict.message }, retryAt, failures: 0 });
    } catch (error) {
      const { code, message } = toCertplaneError(error);
      this.#contend({ item, refusal: { key: feedKey(item), code, message }, failures: 0 });
    }
  }

  #settle(item: CertificateItem): void {
    const key = feedKey(item);
    if (!this.#contenders.delete(key)) return;
    this.#deps.problems.clear(this.#problemKey(key));
    this.#deps.intake.refusalsChanged();
  }

  #contend(contender: Contender): void {
    const { code, message, key } = contender.refusal;
    const { problems, log } = this.#deps;
    const { certificateId, versionId } = contender.item;
    this.#contenders.set(key, contender);
    problems.set(this.#problemKey(key), { code, message: `${versionId}: ${message}`, subject: certificateId });
    log.warn('A certificate version is not used.', { certificateId, versionId, code, reason: message });
    this.#deps.intake.refusalsChanged();
    this.#wake.resolve();
  }

  async #retryContenders(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      let next = clock.now() + 86_400_000;
      for (const { retryAt } of this.#contenders.values()) next = Math.min(next, retryAt ?? Infinity);
      // Whatever is announced or due first.
      if (!(await wait(clock, next, { signal, wake: this.#wake.promise }))) return;
      const now = clock.now();
      for (const { item, retryAt, failures } of this.#contenders.values()) {
        if (signal.aborted) return;
        if ((retryAt ?? Infinity) <= now) {
          await this.#exclusive(async () => {
            if (this.#known.get(feedKey(item)) === item) await this.#try(item, signal, failures);
          });
        }
      }
    }
  }

  #trouble(problem: Extract<SourceEvent, { type: 'trouble' }>['problem']): void {
    const { problems, source, log } = this.#deps;
    const key = this.#problemKey('trouble');
    const text = problem === undefined ? '' : `${problem.code} ${problem.message}`;
    const news = text !== this.#lastTrouble;
    this.#lastTrouble = text;
    if (problem === undefined) {
      problems.clear(key);
      if (news) log.info('The source can be read again.', { source: source.name });
      return;
    }
    const code = problem.code in errorCodes ? (problem.code as ErrorCode) : 'terminator.source-unreadable';
    problems.set(key, { code, message: problem.message, subject: problem.subject ?? source.name });
    // Said once: an outage that lasts is one piece of news, however often it is tried.
    if (!news) return;
    log.warn('The source cannot be read; what is served stays.', {
      source: source.name,
      code,
      reason: problem.message,
    });
  }

  #problemKey(what: string): string {
    return `source ${this.#deps.source.name} ${what}`;
  }

  #exclusive(work: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined); // the caller gets the error; the next turn is not its business
    return result;
  }
}

type Facts = Omit<TableEntry, 'source' | 'rank'>;

/** Only what the table needs: a chain's facts carry more than is worth keeping for each of many certificates. */
function tableEntry(facts: Facts, source: string, rank: number): TableEntry {
  const { slot, versionId, certificateId, names, notBefore, notAfter, serial, fingerprint256, chainComplete } = facts;
  const { keyAlgorithm } = facts;
  return {
    slot,
    versionId,
    certificateId,
    names,
    notBefore,
    notAfter,
    serial,
    fingerprint256,
    chainComplete,
    keyAlgorithm,
    source,
    rank,
  };
}
