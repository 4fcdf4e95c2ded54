import { readChain, type Bundle } from '../../../src/core/bundle.ts';
import { CertplaneError } from '../../../src/core/errors.ts';
import {
  feedKey,
  formatRevision,
  parseRevision,
  type Acknowledgement,
  type CertificateItem,
  type FeedItem,
  type Revision,
  type ServedReport,
} from '../../../src/core/feed.ts';
import type { SourceEvent } from '../../../src/core/ports/certificate-source.ts';
import type { FeedSource } from '../../../src/terminator/source/feed-source.ts';

/** A feed in the test's own process: what is published is an event at once, and what comes back is kept. */
export class TestFeed implements FeedSource {
  readonly name: string;
  readonly acknowledgements: Acknowledgement[] = [];
  readonly reports: ServedReport[] = [];
  readonly fetched: string[] = [];
  /** Set to make `material` fail. */
  broken: CertplaneError | undefined;
  /** What the last subscriber asked to go on from. */
  since: Revision | undefined;
  readonly #items = new Map<string, FeedItem>();
  readonly #bundles = new Map<string, Bundle>();
  readonly #queue: SourceEvent[] = [];
  readonly #epoch: string;
  readonly #told: (() => void)[] = [];
  #sequence = 0;
  #wake = Promise.withResolvers<void>();

  constructor({ name = 'feed', epoch = 'test' }: { name?: string; epoch?: string } = {}) {
    this.name = name;
    this.#epoch = epoch;
  }

  async *subscribe({
    since,
    signal,
  }: {
    since?: Revision | undefined;
    signal: AbortSignal;
  }): AsyncIterable<SourceEvent> {
    this.since = since;
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    this.#queue.length = 0;
    if (since?.epoch !== this.#epoch || since.sequence !== this.#sequence) this.snapshot();
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      for (let event = this.#queue.shift(); event !== undefined && !signal.aborted; event = this.#queue.shift())
        yield event;
      await this.#wake.promise;
    }
  }

  async material(versionId: string, signal: AbortSignal): Promise<Bundle> {
    signal.throwIfAborted();
    this.fetched.push(versionId);
    if (this.broken !== undefined) throw this.broken;
    const bundle = this.#bundles.get(versionId);
    if (bundle === undefined) throw new CertplaneError('store.not-found', `There is no ${versionId}.`);
    return bundle;
  }

  acknowledge(acknowledgement: Acknowledgement): void {
    this.acknowledgements.push(acknowledgement);
    for (const tell of this.#told.splice(0)) tell();
  }

  report(report: ServedReport): void {
    this.reports.push(report);
  }

  publish(item: FeedItem): Revision {
    this.#items.set(feedKey(item), item);
    return this.#emit((revision) => ({ type: 'item', item, revision }));
  }

  /** A certificate as control would announce it. */
  publishCertificate(
    certificateId: string,
    version: number,
    bundle: Bundle,
    overrides: Partial<CertificateItem> = {},
  ): Revision {
    return this.publish(this.prepare(certificateId, version, bundle, overrides));
  }

  /** Makes the item and its material known without announcing it. */
  prepare(
    certificateId: string,
    version: number,
    bundle: Bundle,
    overrides: Partial<CertificateItem> = {},
  ): CertificateItem {
    const { names, notBefore, notAfter, serial, fingerprint256 } = readChain(bundle.chainPem);
    const versionId = `${certificateId}#${version}`;
    const item: CertificateItem = {
      kind: 'certificate',
      certificateId,
      versionId,
      names,
      notBefore,
      notAfter,
      serial,
      fingerprint256,
      ...overrides,
    };
    this.#bundles.set(item.versionId, bundle);
    return item;
  }

  /** What `material` gives for a version from now on; undefined: it is not there. */
  setMaterial(versionId: string, bundle: Bundle | undefined): void {
    if (bundle === undefined) this.#bundles.delete(versionId);
    else this.#bundles.set(versionId, bundle);
  }

  remove(key: string): Revision {
    this.#items.delete(key);
    return this.#emit((revision) => ({ type: 'removed', key, revision }));
  }

  /** Drops items without saying so: only the next snapshot shows it. */
  forget(...keys: string[]): void {
    for (const key of keys) this.#items.delete(key);
  }

  snapshot(): Revision {
    const items = [...this.#items.values()];
    return this.#emit((revision) => ({ type: 'snapshot', items, revision, complete: true }));
  }

  trouble(message: string | undefined): void {
    const problem = message === undefined ? undefined : { code: 'terminator.control-unreachable', message };
    this.#emit(() => ({ type: 'trouble', problem }));
  }

  /** Resolves when the revision, or a later one, is acknowledged. */
  async acknowledged(revision: Revision): Promise<Acknowledgement> {
    const covering = (): Acknowledgement | undefined => {
      const latest = this.acknowledgements.at(-1);
      const reached = parseRevision(latest?.revision ?? '');
      return reached !== undefined && reached.sequence >= revision.sequence ? latest : undefined;
    };
    const deadline = AbortSignal.timeout(15_000);
    for (;;) {
      const found = covering();
      if (found !== undefined) return found;
      const told = Promise.withResolvers<void>();
      this.#told.push(told.resolve);
      deadline.addEventListener('abort', () => told.resolve(), { once: true });
      await told.promise;
      if (deadline.aborted) throw new Error(`${formatRevision(revision)} was not acknowledged in time`);
    }
  }

  #emit(make: (revision: Revision) => SourceEvent): Revision {
    this.#sequence += 1;
    const revision = { epoch: this.#epoch, sequence: this.#sequence };
    this.#queue.push(make(revision));
    this.#wake.resolve();
    return revision;
  }
}
