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

/** One process behind a terminator's name: two of them overlap while the old one drains. */
interface TerminatorProcess {
  connections: number;
  acknowledged: Revision | undefined;
  refusals: readonly Refusal[];
}

interface Session {
  readonly id: string;
  since: number;
  /** Connected ones by their nonce, the latest last. */
  readonly processes: Map<string, TerminatorProcess>;
  /** Of the last process, for people, while none is connected. */
  lastAcknowledged: Revision | undefined;
  served: Map<CertificateId, ServedEntry>;
  report: Pick<ServedReport, 'problems' | 'workers' | 'listening' | 'backends'>;
}

/** A refusal with the terminator it came from. */
export interface TerminatorRefusal extends Refusal {
  readonly terminatorId: string;
}

/** The terminators that read the feed: who is connected, what each has applied, refused, and really serves. In memory only. */
export interface Terminators {
  /** `resumed`: the revision it goes on from, applied by it before; `session`: which process it is, where it says so. */
  connected(
    id: string,
    options?: { readonly session?: string | undefined; readonly resumed?: Revision | undefined },
  ): void;
  disconnected(id: string, session?: string): void;
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

  connected(
    id: string,
    { session: nonce = '', resumed }: { session?: string | undefined; resumed?: Revision | undefined } = {},
  ): void {
    const session = this.#session(id);
    session.since = this.#clock.now();
    // Only what it says about this connection counts.
    const connections = (session.processes.get(nonce)?.connections ?? 0) + 1;
    session.processes.delete(nonce);
    session.processes.set(nonce, { connections, acknowledged: resumed, refusals: [] });
    this.#log.info('A terminator connected.', { terminator: id });
    this.#changed([...session.served.keys()]);
  }

  disconnected(id: string, nonce = ''): void {
    const session = this.#session(id);
    const process = session.processes.get(nonce);
    if (process !== undefined) process.connections -= 1;
    if (process?.connections === 0) session.processes.delete(nonce);
    if (session.processes.size === 0) {
      session.lastAcknowledged = process?.acknowledged;
      session.since = this.#clock.now();
      this.#log.info('A terminator disconnected.', { terminator: id });
      this.#forgetOld();
    }
    this.#changed([...session.served.keys()]);
  }

  acknowledge({ terminatorId, session: nonce = '', revision, refusals }: Acknowledgement): void {
    const process = this.#session(terminatorId).processes.get(nonce);
    if (process === undefined) {
      // It left, or never connected: what it has applied says nothing about who is connected.
      this.#log.debug('An acknowledgement of a process that is not connected is left out.', {
        terminator: terminatorId,
      });
      return;
    }
    const before = process.refusals;
    process.acknowledged = parseRevision(revision);
    process.refusals = refusals;
    for (const { key, code, message } of refusals) {
      if (!before.some((one) => one.key === key && one.code === code)) {
        this.#log.warn('A terminator refused a change.', {
          terminator: terminatorId,
          item: key,
          code,
          reason: message,
        });
      }
    }
    this.#changed([...before, ...refusals].flatMap(({ key }) => certificateOf(key)));
  }

  served({ terminatorId, complete, served, gone, problems, workers, listening, backends }: ServedReport): void {
    const session = this.#session(terminatorId);
    const ids = new Set([...gone, ...served.map((entry) => entry.certificateId)]);
    if (complete) {
      for (const id of session.served.keys()) ids.add(id);
      session.served = new Map();
    }
    for (const id of gone) session.served.delete(id);
    for (const entry of served) session.served.set(entry.certificateId, entry);
    session.report = { problems, workers, listening, backends };
    this.#changed([...ids]);
  }

  list(): readonly TerminatorView[] {
    const current = formatRevision(this.#feed.revision());
    return [...this.#sessions.values()].map(({ id, processes, lastAcknowledged, since, report, served }) => ({
      id,
      connected: processes.size > 0,
      since,
      acknowledged: textOf(processes.size > 0 ? [...processes.values()].at(-1)?.acknowledged : lastAcknowledged),
      current,
      workers: report.workers,
      listening: report.listening,
      problems: report.problems,
      backends: report.backends,
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
    return this.#connected().flatMap(({ id, processes }) =>
      [...processes.values()]
        .flatMap(({ refusals }) => refusals)
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
      if (connected.length > 0 && connected.every((session) => covers(session, revision))) resolve();
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
    await this.#clock.sleep(absenceGraceMs, signal);
    if (this.#connected().length === 0) {
      throw new CertplaneError(
        'challenge.terminator-absent',
        'No terminator is connected that could answer the challenge. Start it with "certplane terminator", or look in its log for why it cannot reach the control process.',
      );
    }
    await this.#clock.sleep(applyTimeoutMs - absenceGraceMs, signal);
    const stuck = this.#connected().filter((session) => !covers(session, revision));
    throw stuck.length === 0
      ? new CertplaneError('challenge.terminator-absent', 'The terminator disconnected before it could answer.')
      : new CertplaneError(
          'challenge.present-failed',
          `The terminator ${stuck.map(({ id }) => id).join(', ')} has not applied the change within ${applyTimeoutMs / 1000} s.`,
        );
  }

  #connected(): Session[] {
    return [...this.#sessions.values()].filter(({ processes }) => processes.size > 0);
  }

  #session(id: string): Session {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = {
        id,
        since: this.#clock.now(),
        processes: new Map(),
        lastAcknowledged: undefined,
        served: new Map(),
        report: { problems: [], workers: [], listening: [] },
      };
      this.#sessions.set(id, session);
    }
    return session;
  }

  #forgetOld(): void {
    const gone = [...this.#sessions.values()].filter(({ processes }) => processes.size === 0);
    for (const { id } of gone.toSorted((a, b) => b.since - a.since).slice(maxGone)) this.#sessions.delete(id);
  }

  #changed(certificateIds: readonly CertificateId[]): void {
    this.#listeners.tell({ certificateIds, other: true });
  }
}

function servedBy({ id, processes }: Session, entry: ServedEntry): ServedBy {
  return { ...entry, terminatorId: id, connected: processes.size > 0 };
}

function textOf(revision: Revision | undefined): string | undefined {
  return revision && formatRevision(revision);
}

/** Whether every process of the terminator has applied it. */
function covers({ processes }: Session, revision: Revision): boolean {
  return [...processes.values()].every(
    ({ acknowledged }) => acknowledged?.epoch === revision.epoch && acknowledged.sequence >= revision.sequence,
  );
}

function certificateOf(key: string): CertificateId[] {
  return key.startsWith('certificate/') ? [key.slice('certificate/'.length)] : [];
}
