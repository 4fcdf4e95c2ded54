import { toCertplaneError } from '../../core/errors.ts';
import type { FeedItem, Refusal, Revision } from '../../core/feed.ts';
import type { CertificateSource } from '../../core/ports/certificate-source.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { SourceSpec } from '../../core/route.ts';
import type { Problems } from './problems.ts';
import { SourceReader, type Intake } from './source-reader.ts';

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
}

const rankOf = { files: 1, kubernetesSecrets: 2 } as const;

/** The sources that are read now: the feed for life, the others as settings say. */
export class Readers {
  readonly #deps: ReadersDeps;
  readonly #signal: AbortSignal;
  readonly #running = new Map<string, Running>();
  readonly #reading = new Set<Promise<void>>();
  #before: Before = { items: new Map(), revisions: new Map() };

  constructor(deps: ReadersDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Call it before anything is read. */
  restore(before: Before): void {
    this.#before = before;
  }

  readFeed(): void {
    this.#read('feed', this.#deps.feed, 0);
  }

  /** Begins and ends reading as the specs ask. Returns the names of all sources, or undefined when one cannot be made. */
  update(specs: readonly SourceSpec[]): ReadonlySet<string> | undefined {
    const { problems, sourceFor, feed } = this.#deps;
    const wanted = new Map(specs.map((spec) => [JSON.stringify(spec), spec]));
    for (const [key, running] of this.#running) if (key !== 'feed' && !wanted.has(key)) running.stop();
    problems.clearPrefix('source-config ');
    let complete = true;
    for (const [key, spec] of wanted) {
      if (this.#running.has(key)) continue;
      try {
        this.#read(key, sourceFor(spec), rankOf[spec.kind]);
      } catch (error) {
        complete = false;
        const { code, message } = toCertplaneError(error, 'terminator.source-unreadable');
        problems.set(`source-config ${key}`, { code, message });
      }
    }
    const names = [...this.#running.values()].map(({ source }) => source.name);
    return complete ? new Set([feed.name, ...names]) : undefined;
  }

  /** What a source announced and is not used. */
  refusals(source: string): readonly Refusal[] {
    return [...this.#running.values()].find(({ source: { name } }) => name === source)?.reader.refusals ?? [];
  }

  async confirmShrink(): Promise<void> {
    for (const { reader } of this.#running.values()) await reader.confirmShrink();
  }

  /** Resolves when nothing is read any more, after the signal. */
  async ended(): Promise<void> {
    await Promise.all(this.#reading);
  }

  #read(key: string, source: CertificateSource, rank: number): void {
    const { intake, problems, clock, log } = this.#deps;
    const reader = new SourceReader({ source, rank, intake, problems, clock, log });
    reader.restore(this.#before.items.get(source.name) ?? []);
    const own = new AbortController();
    const signal = AbortSignal.any([this.#signal, own.signal]);
    const reading = reader.run(this.#before.revisions.get(source.name), signal).catch((error: unknown) => {
      const { code, message } = toCertplaneError(error);
      log.error('A source has ended; what it had stays served.', { source: source.name, code, error: message });
      problems.set(`source ${source.name} ended`, { code, message, subject: source.name });
    });
    const stop = (): void => {
      own.abort();
      this.#running.delete(key);
      reader.dispose();
    };
    this.#running.set(key, { source, reader, stop });
    this.#reading.add(reading);
    void reading.finally(() => this.#reading.delete(reading));
  }
}
