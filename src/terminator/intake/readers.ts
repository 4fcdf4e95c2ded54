import { toCertplaneError } from '../../core/errors.ts';
import type { FeedItem, Refusal, Revision } from '../../core/feed.ts';
import type { CertificateSource } from '../../core/ports/certificate-source.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { SourceSpec, TerminatorSettings } from '../../core/terminator.ts';
import type { Problems } from './problems.ts';
import { SourceReader, type Intake } from './source-reader.ts';
import { wait } from './wait.ts';

export interface ReadersDeps {
  readonly feed: CertificateSource;
  readonly sourceFor: (spec: SourceSpec) => CertificateSource;
  readonly intake: Intake;
  readonly problems: Problems;
  readonly clock: Clock;
  readonly log: Log;
}

interface Running {
  readonly source: CertificateSource;
  readonly reader: SourceReader;
  readonly stop: () => void;
}

/** What was read from each source before a restart. */
export interface Before {
  readonly items: ReadonlyMap<string, readonly FeedItem[]>;
  readonly revisions: ReadonlyMap<string, Revision>;
  readonly settings: TerminatorSettings | undefined;
}

/** After a reading that failed in a way nobody has foreseen. */
const readAgainMs = 5_000;

const rankOf = { files: 1, kubernetesSecrets: 2 } as const;

/** The sources that are read now: the feed for life, the others as settings say. */
export class Readers {
  readonly #deps: ReadersDeps;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Running>();
  /** What is read or let go of now, by the name of the source. */
  readonly #reading = new Map<Promise<void>, string>();
  #before: Before = { items: new Map(), revisions: new Map(), settings: undefined };
  #acceptedAt: number | undefined;

  constructor(deps: ReadersDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Call it before anything is read. */
  restore(before: Before): void {
    this.#before = before;
    this.#acceptedAt = before.settings?.acceptShrinkAt;
  }

  readFeed(): void {
    this.#read('feed', this.#deps.feed, { rank: 0 });
  }

  /** Begins and ends reading as the specs ask. Returns the names of all sources, or undefined when one cannot be made. */
  update(specs: readonly SourceSpec[]): ReadonlySet<string> | undefined {
    const { problems, sourceFor, feed } = this.#deps;
    const wanted = new Map(specs.map((spec) => [JSON.stringify(spec), spec]));
    const leaving = [...this.#running].filter(([key]) => key !== 'feed' && !wanted.has(key)).map(([, one]) => one);
    problems.clearPrefix('source-config ');
    let complete = true;
    for (const [key, spec] of wanted) {
      if (this.#running.has(key)) continue;
      try {
        const source = sourceFor(spec);
        // The same source, read in another way: its certificates are served until the new reading tells otherwise.
        const before = leaving.find(({ source: { name } }) => name === source.name);
        this.#read(key, source, { rank: rankOf[spec.kind], before });
      } catch (error) {
        complete = false;
        const { code, message } = toCertplaneError(error, 'terminator.source-unreadable');
        problems.set(`source-config ${key}`, { code, message });
      }
    }
    for (const { stop } of leaving) stop();
    const names = [...this.#running.values()].map(({ source }) => source.name);
    return complete ? new Set([feed.name, ...names]) : undefined;
  }

  /** What a source announced and is not used. */
  refusals(source: string): readonly Refusal[] {
    return [...this.#running.values()].find(({ source: { name } }) => name === source)?.reader.refusals ?? [];
  }

  /** Whether everything a source announced is what is served. */
  settled(source: string): boolean {
    return [...this.#running.values()].find(({ source: { name } }) => name === source)?.reader.settled ?? true;
  }

  async confirmShrink(): Promise<void> {
    for (const { reader } of this.#running.values()) await reader.confirmShrink();
  }

  /**
   * As the feed says it, for each time it is said. Not awaited by whoever tells of it: the feed's own reader may be the
   * one that holds something.
   */
  acceptShrink(at: number | undefined): void {
    if (at === undefined || at === this.#acceptedAt) return;
    this.#acceptedAt = at;
    const accepting = this.confirmShrink()
      .catch((error: unknown) => {
        this.#deps.log.error('What is held could not be let go.', { error: String(error) });
      })
      .finally(() => this.#reading.delete(accepting));
    this.#reading.set(accepting, 'what is held');
  }

  /** Resolves when nothing is read any more, after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#reading.keys());
  }

  /** Of the sources that are read now; after the signal, of those that have not ended yet. */
  get names(): readonly string[] {
    return [...this.#reading.values()];
  }

  #read(
    key: string,
    source: CertificateSource,
    { rank, before }: { rank: number; before?: Running | undefined },
  ): void {
    const { intake, problems, clock, log } = this.#deps;
    const reader = new SourceReader({ source, rank, intake, problems, clock, log });
    if (before === undefined) reader.restore(this.#before.items.get(source.name) ?? []);
    else before.reader.handOver(reader);
    const own = new AbortController();
    const signal = AbortSignal.any([this.#signal, own.signal]);
    const reading = this.#readOn(source, reader, signal);
    const stop = (): void => {
      own.abort();
      if (this.#running.get(key)?.reader === reader) this.#running.delete(key);
      reader.dispose();
    };
    this.#running.set(key, { source, reader, stop });
    this.#reading.set(reading, source.name);
    void reading.finally(() => this.#reading.delete(reading));
  }

  /** Reads until the signal. What goes wrong on the way is a problem, and the source is read from its beginning again. */
  async #readOn(source: CertificateSource, reader: SourceReader, signal: AbortSignal): Promise<void> {
    const { problems, clock, log } = this.#deps;
    const key = `source ${source.name} ended`;
    let since = this.#before.revisions.get(source.name);
    while (!signal.aborted) {
      try {
        await reader.run(since, signal);
      } catch (error) {
        const { code, message } = toCertplaneError(error);
        log.error('Reading a source failed; what it had stays served.', { source: source.name, code, error: message });
        problems.set(key, { code, message, subject: source.name });
      }
      since = undefined;
      if (await wait(clock, clock.now() + readAgainMs, { signal })) problems.clear(key);
    }
  }
}
