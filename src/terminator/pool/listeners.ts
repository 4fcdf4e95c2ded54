import { toCertplaneError, type CertplaneError } from '../../core/errors.ts';
import { formatAddress } from '../../core/listen-address.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import type { ListenAddress } from '../../core/terminator.ts';
import type { PassedSockets } from './activation.ts';
import { BoundAddress } from './bound-address.ts';
import { bindError, protocols, type Protocol } from './bound-socket.ts';
import { ListenFailed, type WorkerPool } from './worker-pool.ts';

/** What is to be open. */
export interface WantedAddresses {
  readonly https: readonly ListenAddress[];
  readonly http: readonly ListenAddress[];
}

interface Listener {
  readonly bound: BoundAddress;
  /** The pool's number; absent until the workers accept there. */
  id?: number;
}

/** How long a predecessor's workers may take to let go of an address. */
const patienceMs = 2_000;
const patienceStepMs = 50;

/** The addresses of a terminator. New ones open before old ones close; while one cannot be opened, the old ones stay. */
export class Listeners {
  readonly #pool: WorkerPool;
  readonly #clock: Clock;
  readonly #log: Pick<Log, 'warn'>;
  readonly #passed: PassedSockets | undefined;
  /** Passed for nothing: said already. */
  #unused: readonly string[] = [];
  readonly #open = new Map<string, Listener>();

  /** `passed`: sockets to be used instead of opening some. */
  constructor(pool: WorkerPool, { clock, log }: { clock: Clock; log: Pick<Log, 'warn'> }, passed?: PassedSockets) {
    this.#pool = pool;
    this.#clock = clock;
    this.#log = log;
    this.#passed = passed;
  }

  /** `https://127.0.0.1:8443`, … where all workers accept. */
  list(): readonly string[] {
    return [...this.#open.values()].filter(({ id }) => id !== undefined).map(({ bound }) => bound.url);
  }

  /** Where redirects lead: the default port if it is open, else the first. */
  httpsPort(): number | undefined {
    const ports = [...this.#open.values()]
      .filter(({ bound }) => bound.protocol === 'https')
      .map(({ bound }) => bound.port);
    return ports.includes(443) ? 443 : ports[0];
  }

  /**
   * Opens what is missing and then closes what is no longer wanted. `beforeAccept` runs when all addresses are bound and
   * nothing is accepted on the new ones yet. Returns what could not be opened; then nothing has been closed.
   */
  async update(
    wanted: WantedAddresses,
    beforeAccept: () => void,
    signal: AbortSignal,
  ): Promise<readonly CertplaneError[]> {
    const keys = new Map<string, [Protocol, ListenAddress]>();
    for (const protocol of protocols) {
      for (const address of wanted[protocol])
        keys.set(`${protocol} ${address.host}:${address.port}`, [protocol, address]);
    }
    const obsolete = [...this.#open.keys()].filter((key) => !keys.has(key));
    const errors: CertplaneError[] = [];
    const fresh: string[] = [];
    for (const [key, [protocol, address]] of keys) {
      if (this.#open.has(key)) continue;
      try {
        this.#open.set(key, { bound: await this.#bind(protocol, address, obsolete, signal) });
        fresh.push(key);
      } catch (error) {
        errors.push(toCertplaneError(error, 'terminator.address-forbidden'));
      }
    }
    beforeAccept();
    for (const key of fresh) {
      const error = await this.#accept(key);
      if (error !== undefined) errors.push(error);
    }
    if (errors.length === 0) for (const key of obsolete) await this.#close(key);
    this.#warnOfUnused(wanted);
    return errors;
  }

  /** Resolves when nobody accepts anywhere any more, and connections are refused. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((key) => this.#close(key)));
  }

  #warnOfUnused(wanted: WantedAddresses): void {
    const unused = (this.#passed?.unused(wanted) ?? []).map(formatAddress);
    for (const address of unused)
      if (!this.#unused.includes(address))
        this.#log.warn('A socket that was passed is for no address in the configuration.', { address });
    this.#unused = unused;
  }

  async #bind(
    protocol: Protocol,
    address: ListenAddress,
    obsolete: readonly string[],
    signal: AbortSignal,
  ): Promise<BoundAddress> {
    const passed = this.#passed?.take(protocol, address);
    if (passed !== undefined) return BoundAddress.adopt(passed);
    const until = this.#clock.now() + patienceMs;
    for (;;) {
      try {
        return BoundAddress.bind(protocol, address, this.#pool.count);
      } catch (error) {
        const inUse = toCertplaneError(error).code === 'terminator.address-in-use';
        if (!inUse || signal.aborted || this.#clock.now() >= until) throw error;
        // 0.0.0.0:443 and 127.0.0.1:443 exclude each other: here the old one has to go first.
        const own = obsolete.filter((key) => this.#open.get(key)?.bound.port === address.port);
        if (own.length > 0) for (const key of own) await this.#close(key);
        else await this.#clock.sleep(patienceStepMs, signal);
      }
    }
  }

  async #accept(key: string): Promise<CertplaneError | undefined> {
    const listener = this.#open.get(key);
    if (listener === undefined) return undefined;
    try {
      listener.id = await this.#pool.listen(listener.bound);
      return undefined;
    } catch (error) {
      this.#open.delete(key);
      listener.bound.close();
      if (!(error instanceof ListenFailed)) throw error;
      return bindError(error.errno, listener.bound.address);
    }
  }

  async #close(key: string): Promise<void> {
    const listener = this.#open.get(key);
    if (listener === undefined) return;
    this.#open.delete(key);
    if (listener.id !== undefined) await this.#pool.unlisten(listener.id);
    listener.bound.close();
  }
}
