/** Tells of clients whose certificate is not taken, so that whoever is asked why one is cut finds it in the log. */
import type { HandshakeFailure } from './failure.ts';

/** The same client, host and reason once in this time. */
const againMs = 600_000;
/** Anybody can be refused: so many are told of within a minute, the others counted. */
const mostPerMinute = 20;
const minuteMs = 60_000;
const mostKnown = 10_000;

export interface RefusedClientsDeps {
  /** Milliseconds. */
  now(): number;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface RefusedClient {
  readonly host: string | undefined;
  readonly client: string;
  readonly reason: HandshakeFailure;
  /** What the TLS library calls it. */
  readonly detail?: string | undefined;
}

export class RefusedClients {
  readonly #deps: RefusedClientsDeps;
  /** When each was told of, the oldest first. */
  readonly #told = new Map<string, number>();
  #minute = 0;
  #count = 0;
  #untold = 0;

  constructor(deps: RefusedClientsDeps) {
    this.#deps = deps;
  }

  add({ host, client, reason, detail }: RefusedClient): void {
    if (!reason.startsWith('client-certificate-')) return;
    const now = this.#deps.now();
    const key = `${client} ${reason} ${host}`;
    if (now - (this.#told.get(key) ?? -Infinity) < againMs) return;
    if (now - this.#minute >= minuteMs) {
      this.#minute = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#count > mostPerMinute) {
      this.#untold += 1;
      return;
    }
    this.#told.delete(key);
    this.#told.set(key, now);
    const [oldest] = this.#told.keys();
    if (this.#told.size > mostKnown && oldest !== undefined) this.#told.delete(oldest);
    const others = this.#untold === 0 ? {} : { othersNotLogged: this.#untold };
    this.#untold = 0;
    this.#deps.warn('A client was refused because of its certificate.', { host, client, reason, detail, ...others });
  }
}
