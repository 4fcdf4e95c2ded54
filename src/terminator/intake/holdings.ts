import { toCertplaneError } from '../../core/errors.ts';
import type {
  CertificateItem,
  ChallengeItem,
  FeedItem,
  FeedKey,
  Refusal,
  Revision,
  ServedEntry,
} from '../../core/feed.ts';
import type { HostSettings, TerminatorSettings } from '../../core/terminator.ts';
import type { HostState, SlotMaterial, WorkerChange } from '../ipc/messages.ts';
import { bindingsOf, showConflicts } from './conflicts.ts';
import type { LastGoodCache } from '../last-good/port.ts';
import { MaterialStore } from './material-store.ts';
import type { Problems } from './problems.ts';
import { ServedLedger, type Settled } from './served-ledger.ts';
import { CertificateTable, type LoadedEntry, type TableEntry } from './table.ts';

export interface HoldingsDeps {
  readonly cache: LastGoodCache;
  readonly problems: Problems;
  now(): number;
  /** Tells the workers; returns the number of the change. */
  apply(change: WorkerChange): number;
}

/** What was there before a restart. */
export interface Restored {
  readonly items: ReadonlyMap<string, readonly FeedItem[]>;
  readonly revisions: ReadonlyMap<string, Revision>;
  readonly settings: TerminatorSettings | undefined;
}

/** Everything the terminator holds to serve: certificates by host, challenge answers, and their last-good copy. */
export class Holdings {
  readonly #deps: HoldingsDeps;
  readonly #table = new CertificateTable();
  readonly #ledger = new ServedLedger();
  readonly #challenges = new Map<string, string>();
  readonly #materials: MaterialStore;
  /** By slot: versions that a worker could not load. */
  readonly #refused = new Map<string, Refusal>();

  constructor(deps: HoldingsDeps) {
    this.#deps = deps;
    this.#materials = new MaterialStore(deps.cache, deps.problems);
  }

  /** Takes the last-good copy in, before any worker is started. What cannot be read is a problem, and missing. */
  async restore(): Promise<Restored> {
    const items = new Map<string, FeedItem[]>();
    let settings: TerminatorSettings | undefined;
    let revisions: ReadonlyMap<string, Revision> = new Map();
    try {
      const state = await this.#deps.cache.load();
      revisions = state.revisions;
      for (const { source, item, entry } of state.items) {
        if (item.kind === 'certificate' && entry === undefined) continue;
        const list = items.get(source);
        if (list === undefined) items.set(source, [item]);
        else list.push(item);
        if (item.kind === 'settings') settings = item.settings;
        else if (item.kind === 'challenge') this.#challenges.set(item.token, item.keyAuthorization);
        else if (entry !== undefined) {
          this.#table.set(entry);
          this.#ledger.record(0, entry.slot, { entry, at: this.#deps.now() });
        }
      }
      if (state.unreadable > 0)
        this.#unreadable(`${state.unreadable} entries of the last-good copy cannot be read; they are fetched again.`);
    } catch (error) {
      this.#unreadable(toCertplaneError(error).message);
    }
    return { items, revisions, settings };
  }

  get challenges(): Iterable<[string, string]> {
    return this.#challenges;
  }

  get size(): number {
    return this.#table.size;
  }

  current(slot: string): TableEntry | undefined {
    return this.#table.get(slot);
  }

  resolve(host: string): HostState | undefined {
    const now = this.#deps.now();
    const entry = this.#table.resolve(host, now);
    const alternative = entry && this.#table.alternative(host, entry, now);
    return alternative === undefined ? entry : { ...(entry as TableEntry), alternative };
  }

  /** Binds hosts to certificates as the settings say; in effect for the workers before what is told them later. */
  bind(hosts: readonly HostSettings[]): void {
    const names = this.#table.bind(bindingsOf(hosts));
    if (names.length > 0) this.#deps.apply({ kind: 'certificate', names });
  }

  /** Says which names several certificates carry, and which host is bound to one that cannot serve it. */
  showConflicts(): void {
    showConflicts(this.#table, this.#deps.problems, this.#deps.now());
  }

  async material(slot: string): Promise<SlotMaterial | undefined> {
    const entry = this.#table.get(slot);
    return entry === undefined ? undefined : { ...entry, bundle: await this.#materials.bundle(entry) };
  }

  /** A worker could not load the version of the slot and goes on with the one before. */
  refuse(slot: string, refusal: Refusal): void {
    this.#ledger.refuse(slot);
    this.#refused.set(slot, refusal);
  }

  /** Versions of a source that are in the table and could not be loaded. */
  refusals(source: string): readonly Refusal[] {
    return [...this.#refused].flatMap(([slot, refusal]) => {
      const entry = this.#table.get(slot);
      return entry?.source === source ? [{ ...refusal, key: `certificate/${entry.certificateId}` }] : [];
    });
  }

  put({ entry, bundle }: LoadedEntry, item: CertificateItem): void {
    this.#refused.delete(entry.slot);
    const names = this.#table.set(entry);
    this.#materials.put(entry, item, bundle);
    const sequence = this.#deps.apply({ kind: 'certificate', slot: entry.slot, names });
    this.#ledger.record(sequence, entry.slot, { entry, at: this.#deps.now() });
  }

  drop(slot: string): void {
    const entry = this.#table.get(slot);
    if (entry === undefined) return;
    this.#refused.delete(slot);
    const names = this.#table.delete(slot);
    this.#materials.remove(entry.source, `certificate/${entry.certificateId}`);
    const sequence = this.#deps.apply({ kind: 'certificate', slot, gone: true, names });
    this.#ledger.record(sequence, slot, { entry: undefined, at: this.#deps.now() });
  }

  /** Drops what came from sources that are no longer there. */
  retainSources(names: ReadonlySet<string>): void {
    const slots = [...this.#table.entries()].filter(({ source }) => !names.has(source)).map(({ slot }) => slot);
    for (const slot of slots) this.drop(slot);
  }

  putChallenge(source: string, item: ChallengeItem): void {
    this.#materials.putItem(source, item);
    this.#challenges.set(item.token, item.keyAuthorization);
    this.#deps.apply({ kind: 'challenge', token: item.token, keyAuthorization: item.keyAuthorization });
  }

  removeChallenge(source: string, key: FeedKey): void {
    this.#materials.remove(source, key);
    const token = key.slice('challenge/'.length);
    if (this.#challenges.delete(token)) this.#deps.apply({ kind: 'challenge', token });
  }

  keepSettings(source: string, settings: TerminatorSettings): void {
    this.#materials.putItem(source, { kind: 'settings', settings });
  }

  keepRevision(source: string, revision: Revision): void {
    this.#materials.putRevision(source, revision);
  }

  /** By certificate id: serials that a worker still uses which has changes up to `applied` in effect. */
  older(applied: number): Map<string, string> {
    return this.#ledger.older(applied);
  }

  /** Changes up to `applied` are in effect in every worker. */
  settle(applied: number): Settled {
    return this.#ledger.settle(applied, this.#deps.now());
  }

  served(): Map<string, ServedEntry> {
    return this.#ledger.list(this.#table, this.#deps.now());
  }

  /** When something next begins or ceases to be valid, and what carries its names. */
  nextTurn(): ReturnType<CertificateTable['nextTurn']> {
    return this.#table.nextTurn(this.#deps.now());
  }

  /** When everything is in the last-good copy. */
  async close(): Promise<void> {
    await this.#materials.close();
  }

  #unreadable(message: string): void {
    this.#deps.problems.set('cache read', { code: 'terminator.cache-unreadable', message });
  }
}
