import type { CertificateId } from '../../core/certificate.ts';
import { hasCode, isAbort } from '../../core/errors.ts';
import type { Acknowledgement, ServedEntry, ServedReport } from '../../core/feed.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { FeedClient } from './feed-client.ts';
import { fitAcknowledgement, fitReport } from './fit.ts';

/** A complete report larger than this goes out in parts. */
const partSize = 2_000;
const retryMs = 500;

/** What is to be told to the control process, kept until it has been, and told anew to each one that comes. */
export class Outbox {
  readonly #client: FeedClient;
  readonly #clock: Clock;
  readonly #log: Log;
  #acknowledgement: Acknowledgement | undefined;
  #acknowledged: Acknowledgement | undefined;
  /** Everything reported so far, as one. */
  #served = new Map<CertificateId, ServedEntry>();
  #latest: ServedReport | undefined;
  #connected = false;
  /** Reported on this connection and not yet sent. */
  #pending: ServedReport[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(client: FeedClient, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  acknowledge(acknowledgement: Acknowledgement): void {
    this.#acknowledgement = fitAcknowledgement(acknowledgement);
    this.#wake.resolve();
  }

  report(whole: ServedReport): void {
    const report = fitReport(whole);
    if (report.complete) this.#served.clear();
    for (const id of report.gone) this.#served.delete(id);
    for (const entry of report.served) this.#served.set(entry.certificateId, entry);
    this.#latest = report;
    // Without a connection there is nothing to keep: the next one begins with everything.
    if (this.#connected) this.#pending.push(report);
    this.#wake.resolve();
  }

  /** The latest revision that every worker has in effect: what a new connection may go on from. */
  get acknowledgedRevision(): string | undefined {
    return this.#acknowledgement?.revision;
  }

  /** Posts for one connection until it ends; everything is due again at its beginning. */
  async run(signal: AbortSignal): Promise<void> {
    this.#acknowledged = undefined;
    this.#pending = this.#everything();
    this.#connected = true;
    const stop = (): void => this.#wake.resolve();
    signal.addEventListener('abort', stop);
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      try {
        if (!(await this.#postNext(signal)) && !signal.aborted) await this.#wake.promise;
      } catch (error) {
        if (signal.aborted || isAbort(error)) break;
        this.#log.debug('The control process did not take a report; it is sent again.', { error: String(error) });
        await this.#clock.sleep(retryMs, signal).then(undefined, () => undefined);
      }
    }
    signal.removeEventListener('abort', stop);
    this.#connected = false;
    this.#pending = [];
  }

  /** Acknowledgements first: an issuance may wait for one. False: there is nothing to say. */
  async #postNext(signal: AbortSignal): Promise<boolean> {
    const acknowledgement = this.#acknowledgement;
    if (acknowledgement !== undefined && acknowledgement !== this.#acknowledged) {
      await this.#post('/acknowledge', acknowledgement, signal);
      this.#acknowledged = acknowledgement;
      return true;
    }
    const report = this.#pending[0];
    if (report === undefined) return false;
    await this.#post('/served', report, signal);
    if (this.#pending[0] === report) this.#pending.shift();
    return true;
  }

  /** What control does not understand it would not understand the next time either: others come after it. */
  async #post(...[path, value, signal]: Parameters<FeedClient['post']>): Promise<void> {
    try {
      await this.#client.post(path, value, signal);
    } catch (error) {
      if (!hasCode(error, 'api.invalid-request')) throw error;
      this.#log.error('The control process refuses a report; it is left out.', { path, error: String(error) });
    }
  }

  #everything(): ServedReport[] {
    const latest = this.#latest;
    if (latest === undefined) return [];
    const entries = [...this.#served.values()];
    const parts: ServedReport[] = [];
    do parts.push({ ...latest, complete: parts.length === 0, served: entries.splice(0, partSize), gone: [] });
    while (entries.length > 0);
    return parts;
  }
}
