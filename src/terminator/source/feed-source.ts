import type { Bundle } from '../../core/bundle.ts';
import type { VersionId } from '../../core/certificate.ts';
import { CertplaneError, toCertplaneError } from '../../core/errors.ts';
import {
  parseRevision,
  type Acknowledgement,
  type FeedItem,
  type FeedLine,
  type Revision,
  type ServedReport,
} from '../../core/feed.ts';
import type { CertificateSource, SourceEvent } from '../../core/ports/certificate-source.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { FeedClient } from './feed-client.ts';
import { Outbox } from './outbox.ts';

/** The feed of the control process, which also wants to hear back. */
export interface FeedSource extends CertificateSource {
  /** Told when the connection is there, and again after every reconnect; only the latest counts. */
  acknowledge(acknowledgement: Acknowledgement): void;
  /** Told in order when the connection is there; after a reconnect everything is told anew. */
  report(report: ServedReport): void;
}

export interface FeedSourceOptions {
  readonly socketPath: string;
  readonly terminatorId: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** The server pings every 10 s; after this long without a line the connection is given up. */
const stallMs = 30_000;
const firstRetryMs = 100;
const longestRetryMs = 5_000;
/** Control and terminator start side by side: for this long the first connection may fail without being trouble. */
const startingMs = 5_000;
/** A connection may be cut once in this time without being trouble: control restarts, or stops just before we are told to. */
const cutExcusedMs = 60_000;
const partSize = 500;

/** Client of the wire protocol in `core/feed.ts`. Reconnects by itself and resumes where it was. */
export function createFeedSource(options: FeedSourceOptions): FeedSource {
  return new HttpFeedSource(options);
}

class HttpFeedSource implements FeedSource {
  readonly name = 'feed';
  readonly #options: FeedSourceOptions;
  readonly #client: FeedClient;
  readonly #outbox: Outbox;

  constructor(options: FeedSourceOptions) {
    this.#options = options;
    this.#client = new FeedClient(options.socketPath, options.terminatorId);
    this.#outbox = new Outbox(this.#client, options.clock, options.log);
  }

  async *subscribe({
    since,
    signal,
  }: {
    since?: Revision | undefined;
    signal: AbortSignal;
  }): AsyncIterable<SourceEvent> {
    const { clock } = this.#options;
    let revision = since;
    let failures = 0;
    let troubled = false;
    let quietUntil = clock.now() + startingMs;
    let cutAt = -Infinity;
    try {
      while (!signal.aborted) {
        const connection = new AbortController();
        const both = AbortSignal.any([signal, connection.signal]);
        let posting: Promise<void> | undefined;
        try {
          for await (const event of this.#connect(this.#resumable(revision), signal)) {
            posting ??= this.#outbox.run(both);
            quietUntil = 0;
            if (troubled) yield { type: 'trouble', problem: undefined };
            troubled = false;
            failures = 0;
            if (event === 'alive') continue;
            yield event;
            // A snapshot counts only as a whole; a change counts once the reader has taken it.
            if (event.type === 'item' || event.type === 'removed' || (event.type === 'snapshot' && event.complete)) {
              revision = event.revision;
            }
          }
        } catch (error) {
          if (signal.aborted) return;
          const { message } = toCertplaneError(error);
          const problem = { code: 'terminator.control-unreachable', message };
          const now = clock.now();
          const firstCut = isCut(error) && now - cutAt > cutExcusedMs;
          if (firstCut) cutAt = now;
          if (!troubled && !firstCut && !(isAbsent(error) && now < quietUntil)) {
            troubled = true;
            yield { type: 'trouble', problem };
          }
        } finally {
          connection.abort();
          await posting;
        }
        const waitMs = Math.min(longestRetryMs, firstRetryMs * 2 ** failures);
        failures += 1;
        await clock.sleep(waitMs, signal).then(undefined, () => undefined);
      }
    } finally {
      this.#client.close();
    }
  }

  async material(versionId: VersionId, signal: AbortSignal): Promise<Bundle> {
    return await this.#client.material(versionId, signal);
  }

  acknowledge(acknowledgement: Acknowledgement): void {
    this.#outbox.acknowledge({ ...acknowledgement, session: this.#client.session });
  }

  report(report: ServedReport): void {
    this.#outbox.report(report);
  }

  /** Control takes what we go on from as applied, so it is what all workers have, not merely what we have read. */
  #resumable(read: Revision | undefined): Revision | undefined {
    const applied = parseRevision(this.#outbox.acknowledgedRevision ?? '');
    return applied !== undefined && applied.epoch === read?.epoch && applied.sequence < read.sequence ? applied : read;
  }

  /** Events of one connection; throws when it ends, for whatever reason. */
  async *#connect(since: Revision | undefined, signal: AbortSignal): AsyncGenerator<SourceEvent | 'alive'> {
    const lines = await this.#inTime(this.#client.open(since, signal), signal);
    let part: FeedItem[] | undefined;
    try {
      yield 'alive';
      for (;;) {
        const line = await this.#next(lines, signal);
        const revision = parseRevision(line.revision);
        if (revision === undefined)
          throw new CertplaneError('terminator.control-unreachable', 'The feed sent a malformed revision.');
        switch (line.type) {
          case 'snapshot-begin':
            part = [];
            break;
          case 'snapshot-end':
            yield { type: 'snapshot', items: part ?? [], revision, complete: true };
            part = undefined;
            break;
          case 'item':
            if (part === undefined) yield { type: 'item', item: line.item, revision };
            else if (part.push(line.item) >= partSize) {
              yield { type: 'snapshot', items: part, revision, complete: false };
              part = [];
            }
            break;
          case 'removed':
            yield { type: 'removed', key: line.key, revision };
            break;
          case 'ping':
            yield 'alive';
            break;
        }
      }
    } finally {
      await lines.return(undefined);
    }
  }

  /** The next line, or an error when none comes in time. */
  async #next(lines: AsyncGenerator<FeedLine>, signal: AbortSignal): Promise<FeedLine> {
    const next = await this.#inTime(lines.next(), signal);
    if (next.done === true)
      throw new CertplaneError('terminator.control-unreachable', 'The control process ended the feed.');
    return next.value;
  }

  /** Gives the connection up when nothing comes: a process that hangs keeps its socket open and takes connections. */
  async #inTime<T>(coming: Promise<T>, signal: AbortSignal): Promise<T> {
    const done = new AbortController();
    const stalled = this.#options.clock.sleep(stallMs, AbortSignal.any([signal, done.signal])).then(
      () => undefined,
      () => undefined, // stopped, or it came
    );
    try {
      // What comes too late ends with the connection, and is nobody's any more.
      const first = await Promise.race([coming.then((value) => ({ value })), stalled]);
      if (first !== undefined) return first.value;
      this.#client.cutFeed();
      throw new CertplaneError('terminator.control-unreachable', 'The control process has been silent for 30 s.');
    } finally {
      done.abort();
    }
  }
}

/** Nobody listens on the socket, or it is not even there. */
function isAbsent(error: unknown): boolean {
  const code = causeCode(error);
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** There was a connection, and it ended in the middle. */
function isCut(error: unknown): boolean {
  return causeCode(error) === 'ECONNRESET';
}

function causeCode(error: unknown): string | undefined {
  return error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
}
