import type { ActiveHealth } from '../../../core/backend.ts';
import type { Clock } from '../../../core/ports/clock.ts';
import type { BackendFailure, BackendRequest, BackendResponseHead } from '../backend.ts';
import type { Carrier, CarrierOwner, Transport, Waiter } from '../transport.ts';

export interface CheckTarget {
  probe: Transport['probe'];
  /** Host of the request where the settings name none. */
  readonly authority: string;
}

const nobody = { address: '', port: 0, localAddress: '', localPort: 0 };

/** One check on a connection of its own. Resolves with what is wrong, or undefined; rejects only when aborted. */
export async function check(
  target: CheckTarget,
  settings: ActiveHealth,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  signal.throwIfAborted();
  const over = new AbortController();
  const probe = new Probe(target, settings);
  try {
    const timeout = clock
      .sleep(settings.timeoutMs, AbortSignal.any([signal, over.signal]))
      .then(() => `no answer in ${settings.timeoutMs} ms`);
    return await Promise.race([probe.result, timeout]);
  } finally {
    probe.end();
    over.abort();
  }
}

class Probe implements Waiter, CarrierOwner {
  readonly request: BackendRequest;
  readonly result: Promise<string | undefined>;
  readonly #settings: ActiveHealth;
  readonly #resolve: (problem: string | undefined) => void;
  readonly #attempt: { abort(): void };
  #carrier: Carrier | undefined;

  constructor({ probe, authority }: CheckTarget, settings: ActiveHealth) {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.result = promise;
    this.#resolve = resolve;
    this.#settings = settings;
    this.request = {
      method: 'GET',
      target: settings.path ?? '/',
      authority: settings.host ?? authority,
      headers: ['user-agent', 'certplane-health-check', 'accept', '*/*'],
      body: 'none',
      trailers: false,
      upgrade: undefined,
      connection: nobody,
    };
    this.#attempt = probe(this);
  }

  end(): void {
    this.#attempt.abort();
    this.#carrier?.abort();
  }

  onCarrier(carrier: Carrier): void {
    this.#carrier = carrier;
    if (this.#settings.path === undefined) this.#resolve(undefined);
    else carrier.send(this.request, this);
  }

  onNone(failure: BackendFailure, detail: string): void {
    this.#resolve(`${failure}: ${detail}`);
  }

  onHead({ status }: BackendResponseHead): void {
    const [from, to] = this.#settings.status;
    this.#resolve(status >= from && status <= to ? undefined : `it answered ${status}`);
  }

  onLost(failure: BackendFailure, detail: string): void {
    this.#resolve(`${failure}: ${detail}`);
  }

  onUpgrade(): void {
    this.#resolve('it switched protocols without being asked');
  }

  onReady(): void {
    // no body follows
  }

  onDrain(): void {
    // no body follows
  }

  onInformational(): void {
    // the final answer counts
  }

  onData(): void {
    // the status was enough
  }

  onTurn(): void {
    // nothing is held back here
  }

  onEnd(): void {
    // the status was enough
  }
}
