import type { CertificateId } from '../../core/certificate.ts';
import type { ServedEntry, ServedReport } from '../../core/feed.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { wait } from './wait.ts';

export interface ReporterDeps {
  readonly terminatorId: string;
  readonly clock: Clock;
  served(): ReadonlyMap<CertificateId, ServedEntry>;
  state(): Pick<ServedReport, 'problems' | 'workers' | 'listening' | 'backends'>;
  send(report: ServedReport): void;
}

/** Changes within this time go out together. */
const batchMs = 100;
/** A report looks at every certificate: with very many, it takes at most this share of the time. */
const longestShare = 0.1;
/** Numbers of connections change all the time; this is how often they are told. */
const refreshMs = 10_000;

/** Tells what is served: everything once, then what changed. */
export class Reporter {
  readonly #deps: ReporterDeps;
  #reported: ReadonlyMap<CertificateId, ServedEntry> | undefined;
  #state = '';
  #dirty = Promise.withResolvers<void>();

  constructor(deps: ReporterDeps) {
    this.#deps = deps;
  }

  /** Something may have changed. */
  touch(): void {
    this.#dirty.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let tookMs = 0;
    while (!signal.aborted) {
      if (!(await wait(clock, clock.now() + refreshMs, { signal, wake: this.#dirty.promise }))) break;
      if (!(await wait(clock, clock.now() + Math.max(batchMs, tookMs / longestShare), { signal }))) break;
      this.#dirty = Promise.withResolvers();
      const startedAt = performance.now();
      this.flush();
      tookMs = performance.now() - startedAt;
    }
  }

  /** Sends what has changed since the last time, if anything has. */
  flush(): void {
    const served = this.#deps.served();
    const state = this.#deps.state();
    const before = this.#reported;
    const changed = [...served.values()].filter((entry) => !isSame(entry, before?.get(entry.certificateId)));
    const gone = [...(before?.keys() ?? [])].filter((id) => !served.has(id));
    const text = JSON.stringify(state);
    if (before !== undefined && changed.length === 0 && gone.length === 0 && text === this.#state) return;
    this.#reported = served;
    this.#state = text;
    this.#deps.send({
      terminatorId: this.#deps.terminatorId,
      complete: before === undefined,
      served: changed,
      gone,
      ...state,
    });
  }
}

function isSame(a: ServedEntry, b: ServedEntry | undefined): boolean {
  return b !== undefined && a.versionId === b.versionId && a.since === b.since && a.source === b.source;
}
