import { toCertplaneError, type CertplaneError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ListenAddress } from '../../core/terminator.ts';
import { bindError, BoundSocket } from './bound-socket.ts';
import { ListenFailed, type WorkerPool } from './worker-pool.ts';

/** What is to be open. */
export interface WantedAddresses {
  readonly https: readonly ListenAddress[];
  readonly http: readonly ListenAddress[];
}

interface Listener {
  readonly socket: BoundSocket;
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
  readonly #open = new Map<string, Listener>();

  constructor(pool: WorkerPool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** `https://127.0.0.1:8443`, … where all workers accept. */
  list(): readonly string[] {
    return [...this.#open.values()].filter(({ id }) => id !== undefined).map(({ socket }) => socket.url);
  }

  /** Where redirects lead: the default port if it is open, else the first. */
  httpsPort(): number | undefined {
    const ports = [...this.#open.values()]
      .filter(({ socket }) => socket.protocol === 'https')
      .map(({ socket }) => socket.port);
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
    const keys = new Map<string, ['https' | 'http', ListenAddress]>();
    for (const protocol of ['https', 'http'] as const) {
      for (const address of wanted[protocol])
        keys.set(`${protocol} ${address.host}:${address.port}`, [protocol, address]);
    }
    const obsolete = [...this.#open.keys()].filter((key) => !keys.has(key));
    const errors: CertplaneError[] = [];
    const fresh: string[] = [];
    for (const [key, [protocol, address]] of keys) {
      if (this.#open.has(key)) continue;
      try {
        this.#open.set(key, { socket: await this.#bind(protocol, address, obsolete, signal) });
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
    return errors;
  }

  /** Resolves when nobody accepts anywhere any more, and connections are refused. */
  async closeAll(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((key) => this.#close(key)));
  }

  async #bind(
    protocol: 'https' | 'http',
    address: ListenAddress,
    obsolete: readonly string[],
    signal: AbortSignal,
  ): Promise<BoundSocket> {
    const until = this.#clock.now() + patienceMs;
    for (;;) {
      try {
        return BoundSocket.bind(protocol, address);
      } catch (error) {
        const inUse = toCertplaneError(error).code === 'terminator.address-in-use';
        if (!inUse || signal.aborted || this.#clock.now() >= until) throw error;
        // 0.0.0.0:443 and 127.0.0.1:443 exclude each other: here the old one has to go first.
        const own = obsolete.filter((key) => this.#open.get(key)?.socket.port === address.port);
        if (own.length > 0) for (const key of own) await this.#close(key);
        else await this.#clock.sleep(patienceStepMs, signal);
      }
    }
  }

  async #accept(key: string): Promise<CertplaneError | undefined> {
    const listener = this.#open.get(key);
    if (listener === undefined) return undefined;
    try {
      listener.id = await this.#pool.listen(listener.socket);
      return undefined;
    } catch (error) {
      this.#open.delete(key);
      listener.socket.close();
      if (!(error instanceof ListenFailed)) throw error;
      return bindError(error.errno, listener.socket.address);
    }
  }

  async #close(key: string): Promise<void> {
    const listener = this.#open.get(key);
    if (listener === undefined) return;
    this.#open.delete(key);
    if (listener.id !== undefined) await this.#pool.unlisten(listener.id);
    listener.socket.close();
  }
}
