import { lookup as dnsLookup } from 'node:dns/promises';
import type { Clock } from '../../../core/ports/clock.ts';
import type { BackendFailure } from '../backend.ts';
import { isForbidden, mayBeLoopback } from './forbidden.ts';

/** All addresses of a name; rejects as `node:dns` does. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** What the system says (files, DNS, search domains), IPv4 and IPv6. */
export const systemLookup: Lookup = async (host) => {
  const found = await dnsLookup(host, { all: true, order: 'verbatim' });
  return found.map(({ address }) => address);
};

const refreshMs = 10_000;
/** Addresses older than this are not used before a new answer, or a failure, has come. */
const staleMs = 60_000;
/** A name that does not resolve is asked for again soon. */
const retryMs = 1_000;
const mostAddresses = 64;

export interface NameProblem {
  readonly failure: BackendFailure;
  readonly detail: string;
}

/**
 * The addresses of one name, asked for again every 10 s while somebody uses them. What was good last stays when an
 * answer fails or is empty.
 */
export class ResolvedName {
  readonly host: string;
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #addresses: readonly string[] = [];
  #problem: NameProblem | undefined;
  #answeredAt: number | undefined;
  #asking = false;
  #waiting: (() => void)[] = [];

  constructor(host: string, lookup: Lookup, clock: Clock, onChange: () => void) {
    this.host = host;
    this.#lookup = lookup;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** The last good ones. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** What was wrong with the last answer. */
  get problem(): NameProblem | undefined {
    return this.#problem;
  }

  /**
   * Somebody is about to use the addresses. `asking`: the first answer is under way; `stale`: they have not been used
   * for long, and an answer is under way. Both can be waited for with `whenAsked`.
   */
  use(): 'known' | 'asking' | 'stale' {
    const age = this.#answeredAt === undefined ? Infinity : this.#clock.now() - this.#answeredAt;
    const known = this.#addresses.length > 0;
    // A clock that was set back makes the age negative: ask, too.
    if (!this.#asking && (age < 0 || age >= (known ? refreshMs : retryMs))) this.#ask();
    if (!this.#asking) return 'known';
    if (!known) return 'asking';
    return age >= staleMs ? 'stale' : 'known';
  }

  /** Calls back once the question under way is answered; at once when there is none. */
  whenAsked(done: () => void): void {
    if (this.#asking) this.#waiting.push(done);
    else done();
  }

  #ask(): void {
    this.#asking = true;
    this.#lookup(this.host).then(
      (found) => this.#take(found),
      (error: NodeJS.ErrnoException) => this.#answered(`${this.host}: ${error.code ?? error.message}`),
    );
  }

  #take(found: readonly string[]): void {
    const free = mayBeLoopback(this.host);
    const allowed = [...new Set(found)].filter((address) => free || !isForbidden(address)).slice(0, mostAddresses);
    if (allowed.length === 0) {
      const bad = found[0];
      this.#answered(bad === undefined ? `${this.host}: no address` : undefined, bad);
      return;
    }
    const changed = allowed.length !== this.#addresses.length || allowed.some((one) => !this.#addresses.includes(one));
    this.#addresses = allowed;
    this.#problem = undefined;
    if (changed) this.#onChange();
    this.#settle();
  }

  #answered(unresolvable: string | undefined, forbidden?: string): void {
    this.#problem =
      unresolvable === undefined
        ? {
            failure: 'backend-forbidden-address',
            detail: `${this.host} resolves to ${forbidden}, a loopback or link-local address: write the address out if it is meant`,
          }
        : { failure: 'backend-unresolvable', detail: unresolvable };
    // A name that now leads where it may not is no failing DNS server: what it led to before is not trusted either.
    if (unresolvable === undefined && this.#addresses.length > 0) {
      this.#addresses = [];
      this.#onChange();
    }
    this.#settle();
  }

  #settle(): void {
    this.#asking = false;
    this.#answeredAt = this.#clock.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
