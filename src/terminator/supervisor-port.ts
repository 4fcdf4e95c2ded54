import type { TerminatorProblem, WorkerStatus } from '../core/feed.ts';
import type { CertificateSource } from '../core/ports/certificate-source.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import type { SourceSpec, TerminatorSettings } from '../core/terminator.ts';
import type { LastGoodCache } from './last-good/port.ts';
import type { PassedSockets } from './pool/activation.ts';
import type { FeedSource } from './source/feed-source.ts';

export interface SupervisorOptions {
  readonly feed: FeedSource;
  /**
   * Makes the sources that settings name; `settings` gives those in force at the time of the call. What it throws is a
   * problem of that source alone.
   */
  readonly sourceFor: (spec: SourceSpec, settings: () => TerminatorSettings | undefined) => CertificateSource;
  /** From the configuration file; the feed's settings replace them. Absent: those of the cache, or the feed's first. */
  readonly settings?: TerminatorSettings | undefined;
  readonly cache: LastGoodCache;
  /** Sockets that this process was started with; used instead of opening addresses. */
  readonly sockets?: PassedSockets | undefined;
  readonly terminatorId: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SupervisorStatus {
  /** `https://127.0.0.1:8443`, …: where every worker accepts. */
  readonly listening: readonly string[];
  readonly workers: readonly WorkerStatus[];
  readonly problems: readonly TerminatorProblem[];
  /** Certificates that answer for at least one host. */
  readonly served: number;
  /** Listening, and a first set of certificates is in effect. */
  readonly ready: boolean;
  /** How long open connections may go on after a stop. */
  readonly drainMs: number;
  /** What a stop waits for. */
  readonly waitingFor: readonly string[];
  /** Where /metrics, /livez and /readyz are, if anywhere. */
  readonly metricsPort?: number | undefined;
}

export interface Supervisor extends Part {
  status(): SupervisorStatus;
  /** Accepts nothing more, lets open exchanges end (at most `timeouts.drainMs`), ends the workers. Disposal does it, too. */
  drain(): Promise<void>;
  /** Ends workers at once, whatever is open; for a stop that shall not wait. Disposal is still to be awaited. */
  cut(): void;
  /** Lets go of certificates that the brake holds (never §5.7); SIGHUP's meaning. */
  confirmShrink(): Promise<void>;
}
