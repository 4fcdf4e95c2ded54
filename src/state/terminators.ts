import type { CertificateId } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import {
  formatRevision,
  parseRevision,
  type Acknowledgement,
  type Refusal,
  type Revision,
  type ServedEntry,
  type ServedReport,
} from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ControlChange, ServedBy, TerminatorView } from '../core/ports/control-view.ts';
import type { Log } from '../core/ports/log.ts';
import { Listeners } from './listeners.ts';
import type { Feed } from './feed.ts';

/** How long a terminator may be away (a restart) before nobody is expected to answer a challenge. */
export const absenceGraceMs = 10_000;
/** A connected terminator that has not applied a change in this time is stuck. */
export const applyTimeoutMs = 30_000;
/** Terminators that have gone are remembered for the page, the latest ones only. */
const maxGone = 50;

interface Session {
  readonly id: string;
  connections: number;
  since: number;
  acknowledged: Revision | undefined;
  refusals: readonly Refusal[];
  served: Map<CertificateId, ServedEntry>;
  report: Pick<ServedReport, 'problems' | 'workers' | 'listening'>;
}

/** A refusal with the terminator it came from. */
export interface TerminatorRefusal extends Refusal {
  readonly terminatorId: string;
}

/** The terminators that read the feed: who is connected, what each has applied, refused, and really serves. In memory only. */
export interface Terminators {
  /** `resumed`: the revision it goes on from, applied by it before. */
  connected(id: string, resumed?: Revision): void;
  disconnected(id: string): void;
  acknowledge(acknowledgement: Acknowledgement): void;
  served(report: ServedReport): void;
  list(): readonly TerminatorView[];
  servedBy(certificateId: CertificateId): readonly ServedBy[];
  /** What is served from somewhere else than the feed. */
  observed(): readonly ServedBy[];
  /** What connected terminators refuse under a feed key. */
  refusals(key: string): readonly TerminatorRefusal[];
  /**
   * Resolves when every connected terminator has acknowledged `revision` or a later one. Rejects with
   * `challenge.terminator-absent` when none is connected (after 10 s), with `challenge.present-failed` when one has
   * not applied it after 30 s, and with the signal's reason.
   */
  whenApplied(revision: Revision, signal: AbortSignal): Promise<void>;
  /** Called synchronously; batch on your side. */
  onChange(listener: (change: ControlChange) => void): Disposable;
}

export function createTerminators(deps: { feed: Pick<Feed, 'revision'>; clock: Clock; log: Log }): Terminators {
  return new Sessions(deps.feed, deps.clock, deps.log);
}

class Sessions implements Terminators {
  readonly #feed: Pick<Feed, 'revision'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sessions = new Map<string, Session>();
  readonly #listeners = new Listeners<ControlChange>();

  constructor(feed: Pick<Feed, 'revision'>, clock: Clock, log: Log) {
    this.#feed = feed;
    this.#clock = clock;
    this.#log = log;
  }

  connected(id: string, resumed?: Revision): void {
    const session = this.#session(id);
    session.connections += 1;
    session.since = this.#clock.now();
    // Only what it says about this connection counts: the process behind the name may be another one now.
    session.acknowledged = resumed;
    session.refusals = [];
    this.#log.info('A terminator connected.', { terminator: id });
    this.#changed([...session.served.keys()]);
  }

  disconnected(id: string): void {
    const session = this.#session(id);
    session.connections = Math.max(0, session.connections - 1);
    if (session.connections === 0) {
      session.since = this.#clock.now();
      this.#log.info('A terminator disconnected.', { terminator: id });
      this.#forgetOld();
    }
    this.#changed([...session.served.keys()]);
  }

  acknowledge({ terminatorId, revision, refusals }: Acknowledgement): void {
    const session = this.#session(terminatorId);
    const before = session.refusals;
    session.acknowledged = parseRevision(revision);
    session.refusals = refusals;
    for (const { key, code, message } of refusals) {
      if (!before.some((one) => one.key === key && one.code === code)) {
        this.#log.warn('A terminator refused a change.', { terminator: terminatorId, key, code, reason: message });
      }
    }
    this.#changed([...before, ...refusals].flatMap(({ key }) => certificateOf(key)));
  }

  served({ terminatorId, complete, served, gone, problems, workers, listening }: ServedReport): void {
    const session = this.#session(terminatorId);
    const ids = new Set([...gone, ...served.map((entry) => entry.certificateId)]);
    if (complete) {
      for (const id of session.served.keys()) ids.add(id);
      session.served = new Map();
    }
    for (const id of gone) session.served.delete(id);
    for (const entry of served) session.served.set(entry.certificateId, entry);
    session.report = { problems, workers, listening };
    this.#changed([...ids]);
  }

  list(): readonly TerminatorView[] {
    const current = formatRevision(this.#feed.revision());
    return [...this.#sessions.values()].map(({ id, connections, since, acknowledged, report, served }) => ({
      id,
      connected: connections > 0,
      since,
      acknowledged: acknowledged && formatRevision(acknowledged),
      current,
      workers: report.workers,
      listening: report.listening,
      problems: report.problems,
      served: served.size,
    }));
  }

  servedBy(certificateId: CertificateId): readonly ServedBy[] {
    return [...this.#sessions.values()].flatMap((session) => {
      const entry = session.served.get(certificateId);
      return entry === undefined ? [] : [servedBy(session, entry)];
    });
  }

  observed(): readonly ServedBy[] {
    return [...this.#sessions.values()].flatMap((session) =>
      [...session.served.values()].filter((entry) => entry.source !== 'feed').map((entry) => servedBy(session, entry)),
    );
  }

  refusals(key: string): readonly TerminatorRefusal[] {
    return [...this.#sessions.values()]
      .filter(({ connections }) => connections > 0)
      .flatMap(({ id, refusals }) =>
        refusals
          .filter((refusal) => refusal.key === key)
          .map(({ code, message }) => ({ key, code, message, terminatorId: id })),
      );
  }

  async whenApplied(revision: Revision, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const { promise: applied, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      const connected = this.#connected();
      if (connected.length > 0 && connected.every((session) => covers(session.acknowledged, revision))) resolve();
    };
    using _ = this.#listeners.add(look);
    look();
    try {
      await Promise.race([applied, this.#giveUp(revision, either)]);
    } finally {
      over.abort();
    }
  }

  onChange(listener: (change: ControlChange) => void): Disposable {
    return this.#listeners.add(listener);
  }

  async #giveUp(revision: Revision, signal: AbortSignal): Promise<never> {
    const deadline = this.#clock.now() + applyTimeoutMs;
    await this.#clock.sleep(absenceGraceMs, signal);
    if (this.#connected().length === 0) {
      throw new CertplaneError(
        'challenge.terminator-absent',
        'No terminator is connected that could answer the challenge. Start one, or give the solver a listener of its own.',
      );
    }
    await this.#clock.waitUntil(deadline, signal);
    const stuck = this.#connected().filter((session) => !covers(session.acknowledged, revision));
    throw stuck.length === 0
      ? new CertplaneError('challenge.terminator-absent', 'The terminator disconnected before it could answer.')
      : new CertplaneError(
          'challenge.present-failed',
          `The terminator ${stuck.map(({ id }) => id).join(', ')} has not applied the change within ${applyTimeoutMs / 1000} s.`,
        );
  }

  #connected(): Session[] {
    return [...this.#sessions.values()].filter(({ connections }) => connections > 0);
  }

  #session(id: string): Session {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = {
        id,
        connections: 0,
        since: this.#clock.now(),
        acknowledged: undefined,
        refusals: [],
        served: new Map(),
        report: { problems: [], workers: [], listening: [] },
      };
      this.#sessions.set(id, session);
    }
    return session;
  }

  #forgetOld(): void {
    const gone = [...this.#sessions.values()].filter(({ connections }) => connections === 0);
    for (const { id } of gone.toSorted((a, b) => b.since - a.since).slice(maxGone)) this.#sessions.delete(id);
  }

  #changed(certificateIds: readonly CertificateId[]): void {
    this.#listeners.tell({ certificateIds, other: true });
  }
}

function servedBy({ id, connections }: Session, entry: ServedEntry): ServedBy {
  return { ...entry, terminatorId: id, connected: connections > 0 };
}

function covers(acknowledged: Revision | undefined, revision: Revision): boolean {
  return acknowledged?.epoch === revision.epoch && acknowledged.sequence >= revision.sequence;
}

function certificateOf(key: string): CertificateId[] {
  return key.startsWith('certificate/') ? [key.slice('certificate/'.length)] : [];
}
