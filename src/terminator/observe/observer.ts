/** What becomes of requests, for those who have asked: metrics and the access log. */
import type { Account } from '../../core/accounts.ts';
import type { TerminatorSettings } from '../../core/terminator.ts';
import type { ExchangeRecord } from '../proxy/record.ts';
import type { TunnelFailure, TunnelSummary } from '../tcp/tcp-front.ts';
import { AccessLogWriter, type AccessLogDeps } from './access-log.ts';
import { Counters } from './counters.ts';

type Watched = Pick<TerminatorSettings, 'metrics' | 'accessLog'>;

export class Observer {
  readonly counters = new Counters();
  readonly #log: AccessLogWriter;
  /** Undefined while nobody asks, so that requests pay nothing for it. */
  onExchange: ((record: ExchangeRecord) => void) | undefined;

  constructor(deps: AccessLogDeps, settings: Watched) {
    this.#log = new AccessLogWriter(deps, settings.accessLog);
    this.update(settings);
  }

  update({ metrics, accessLog }: Watched): void {
    this.#log.update(accessLog);
    const count = (record: ExchangeRecord): void => this.counters.exchange(record);
    const log = (record: ExchangeRecord): void => this.#log.exchange(record);
    if (metrics !== undefined && accessLog !== undefined)
      this.onExchange = (record) => {
        count(record);
        log(record);
      };
    else this.onExchange = metrics !== undefined ? count : accessLog !== undefined ? log : undefined;
  }

  /** Opens the access log now; a file that is new belongs to `owner`. */
  open(owner: Account): void {
    this.#log.open(owner);
  }

  /** A tunnel is over, or could not be made; for the access log alone. */
  tunnel(tunnel: TunnelSummary | TunnelFailure): void {
    this.#log.tunnel(tunnel);
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    await this.#log.close();
  }
}
