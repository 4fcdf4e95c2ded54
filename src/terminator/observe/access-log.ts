import type { Account } from '../../core/accounts.ts';
import type { AccessLog } from '../../core/terminator.ts';
import type { ExchangeRecord } from '../proxy/record.ts';
import type { TunnelFailure, TunnelSummary } from '../tcp/tcp-front.ts';
import { combinedLine, jsonLine, tunnelLine } from './access-line.ts';
import { LineWriter } from './line-writer.ts';

export interface AccessLogDeps {
  /** Milliseconds since the epoch. */
  now(): number;
  /** 0 to 1, for sampling. */
  random(): number;
  onTrouble(message: string): void;
}

/** Writes requests as settings ask; follows them when they change. */
export class AccessLogWriter {
  readonly #deps: AccessLogDeps;
  #settings: AccessLog | undefined;
  #writer: LineWriter | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(deps: AccessLogDeps, settings: AccessLog | undefined) {
    this.#deps = deps;
    this.update(settings);
  }

  get on(): boolean {
    return this.#settings !== undefined;
  }

  update(settings: AccessLog | undefined): void {
    if (this.#writer !== undefined && settings?.file !== this.#settings?.file) this.#end();
    else if (settings === undefined) this.#end();
    this.#settings = settings;
    if (settings !== undefined)
      this.#writer ??= new LineWriter({ file: settings.file, onTrouble: (message) => this.#deps.onTrouble(message) });
  }

  open(owner: Account): void {
    this.#writer?.open(owner);
  }

  exchange(record: ExchangeRecord): void {
    const settings = this.#settings;
    if (settings === undefined) return;
    if (record.status < 500 && this.#isLeftOut(settings)) return;
    const at = this.#deps.now() - record.durationMs;
    this.#writer?.write(settings.format === 'json' ? jsonLine(record, at) : combinedLine(record, at));
  }

  /** Apache's format is about requests and has no place for it. */
  tunnel(tunnel: TunnelSummary | TunnelFailure): void {
    const settings = this.#settings;
    if (settings?.format !== 'json' || (!('failure' in tunnel) && this.#isLeftOut(settings))) return;
    this.#writer?.write(tunnelLine(tunnel, this.#deps.now() - tunnel.durationMs));
  }

  #isLeftOut({ sample }: AccessLog): boolean {
    return sample < 1 && this.#deps.random() >= sample;
  }

  /** Resolves when everything is written. */
  async close(): Promise<void> {
    this.#end();
    await this.#closing;
  }

  #end(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer !== undefined) this.#closing = Promise.all([this.#closing, writer.close()]).then(() => undefined);
  }
}
