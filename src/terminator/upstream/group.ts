import type { Backend } from '../../core/backend.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Random } from '../../core/ports/random.ts';
import type { NameProblem } from './addresses/name.ts';
import { Background } from './background.ts';
import { Balancer, type HashInput } from './balance/balance.ts';
import type { Endpoint } from './endpoint.ts';
import { EndpointSet, type EndpointSetDeps, type Files } from './endpoint-set.ts';
import { check } from './health/check.ts';

export interface GroupDeps extends EndpointSetDeps {
  readonly clock: Clock;
  readonly random: Random;
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What became of a request at an endpoint. */
export type Verdict = 'answered' | 'failed' | 'unresolved';

const rampSteps = 10;

/** One backend of the settings: which of its endpoints take part now, and whose turn it is. */
export class BackendGroup {
  readonly name: string;
  readonly endpoints: EndpointSet;
  readonly #deps: GroupDeps;
  readonly #background = new Background();
  #backend: Backend;
  #balancer: Balancer;
  /** Those that may be chosen; made anew when something changes, never for a request. */
  #choices: readonly Endpoint[] = [];
  #checks = new AbortController();
  /** Requests under way. */
  active = 0;

  constructor(name: string, backend: Backend, files: Files, deps: GroupDeps) {
    this.name = name;
    this.#deps = deps;
    this.#backend = backend;
    this.#balancer = new Balancer(backend.balance);
    this.endpoints = new EndpointSet(backend, files, deps, {
      onAdded: (endpoint, joins) => {
        if (joins) this.#ramp(endpoint);
        this.#watch(endpoint);
      },
      onChanged: () => this.#refresh(),
    });
    this.endpoints.configure(backend, files);
  }

  get backend(): Backend {
    return this.#backend;
  }

  /** Keeps the connections and the health of every endpoint that is still there and is reached in the same way. */
  reconfigure(backend: Backend, files: Files): void {
    const checksChanged = JSON.stringify(backend.activeHealth) !== JSON.stringify(this.#backend.activeHealth);
    this.#backend = backend;
    this.#balancer = new Balancer(backend.balance);
    if (checksChanged) {
      this.#checks.abort();
      this.#checks = new AbortController();
    }
    const before = new Set(this.endpoints.all);
    this.endpoints.configure(backend, files);
    if (checksChanged) for (const endpoint of this.endpoints.all) if (before.has(endpoint)) this.#watch(endpoint);
    this.#refresh();
  }

  /** False: the circuit breaker is open. What was admitted has to be dismissed. */
  admit(): boolean {
    const { maxRequests } = this.#backend;
    if (maxRequests > 0 && this.active >= maxRequests) return false;
    this.active += 1;
    return true;
  }

  dismiss(): void {
    this.active -= 1;
  }

  /** Whether `pick` knows all it can; otherwise `endpoints.whenKnown` calls back. */
  get known(): boolean {
    return !this.endpoints.named || this.endpoints.use(this.#choices.length > 0);
  }

  /** The endpoint whose turn it is: none of `tried`, and one of `origin` where that is given. */
  pick(input: HashInput, tried?: readonly Endpoint[], origin?: string): Endpoint | undefined {
    const choices = origin === undefined ? this.#choices : this.#choices.filter((one) => one.origin === origin);
    const endpoint =
      this.#backend.maxConnections > 0 && choices.length > 1
        ? this.#pickWithRoom(choices, input, tried)
        : this.#balancer.pick(choices, input, tried);
    if (endpoint !== undefined) this.begin(endpoint);
    return endpoint;
  }

  /** A request goes there without a choice. Like `pick`, it is settled later. */
  begin(endpoint: Endpoint): void {
    const trial = endpoint.passive.state === 'trial';
    endpoint.began();
    if (trial) this.#refresh();
  }

  /** Has to follow each `pick` and `begin`, once. `detail`: what went wrong. */
  settle(endpoint: Endpoint, verdict: Verdict, detail = ''): void {
    endpoint.active -= 1;
    this.judge(endpoint, verdict, detail);
  }

  /** What an endpoint has shown itself to be, while it goes on with a request. */
  judge(endpoint: Endpoint, verdict: Verdict, detail = ''): void {
    if (verdict === 'answered') {
      if (!endpoint.passive.succeeded()) return;
      this.#ramp(endpoint);
      this.#refresh();
    } else if (verdict === 'failed') {
      endpoint.failure = detail;
      this.#failed(endpoint);
    } else if (endpoint.passive.state === 'trying') {
      endpoint.passive.unresolved();
      this.#refresh();
    }
  }

  /** Why `pick` finds nothing. */
  get problem(): NameProblem {
    const all = this.endpoints.all.filter((endpoint) => endpoint.weight > 0);
    const down = all.find((endpoint) => endpoint.checked.up === false);
    if (down !== undefined) {
      const detail = `no endpoint is healthy; ${down.label}: ${down.checked.reason}`;
      return { failure: 'backend-unavailable', detail };
    }
    return (
      this.endpoints.problem ?? { failure: 'backend-unavailable', detail: 'no endpoint of this backend takes requests' }
    );
  }

  get empty(): boolean {
    return this.active === 0 && this.endpoints.empty;
  }

  /** Takes no new requests; open connections finish, and nothing else runs on. */
  close(): void {
    this.endpoints.close();
    this.#background.abort();
  }

  async destroy(): Promise<void> {
    this.endpoints.destroy();
    await this.#background.stop();
  }

  #pickWithRoom(choices: readonly Endpoint[], input: HashInput, tried: readonly Endpoint[] = []): Endpoint | undefined {
    const busy = choices.filter((endpoint) => endpoint.full);
    return (
      this.#balancer.pick(choices, input, [...tried, ...busy]) ??
      this.#balancer.pick(choices, input, tried.length > 0 ? tried : undefined)
    );
  }

  #failed(endpoint: Endpoint): void {
    const { failures, ejectMs } = this.#backend.passiveHealth;
    const needed = !this.#choices.some((one) => one !== endpoint && takesPart(one));
    const trial = endpoint.passive.state === 'trying';
    if (endpoint.passive.failed(failures, needed)) {
      const ejection = endpoint.passive.ejections;
      this.#warn('A backend endpoint is taken out for a time.', endpoint, endpoint.failure);
      this.#background.run(async (signal) => {
        await this.#deps.clock.sleep(ejectMs, signal);
        endpoint.passive.expired(ejection);
        this.#refresh();
      });
      this.#refresh();
    } else if (trial) this.#refresh();
  }

  /** Its share grows step by step. */
  #ramp(endpoint: Endpoint): void {
    const { slowStartMs } = this.#backend;
    if (slowStartMs === 0) return;
    endpoint.ramps += 1;
    const { ramps } = endpoint;
    endpoint.ramp = 1 / rampSteps;
    this.#background.run(async (signal) => {
      for (let step = 2; step <= rampSteps; step += 1) {
        await this.#deps.clock.sleep(slowStartMs / rampSteps, signal);
        if (endpoint.ramps !== ramps) return;
        endpoint.ramp = step / rampSteps;
      }
    });
  }

  /** Checks it again and again, never quite at the same pace as others. */
  #watch(endpoint: Endpoint): void {
    const settings = this.#backend.activeHealth;
    if (settings === undefined) return;
    const { clock, random } = this.#deps;
    const checks = this.#checks.signal;
    this.#background.run(async (stop) => {
      const signal = AbortSignal.any([stop, checks, endpoint.gone.signal]);
      const target = { probe: endpoint.transport.probe.bind(endpoint.transport), authority: endpoint.authority };
      await clock.sleep(random.next() * Math.min(1_000, settings.intervalMs), signal);
      for (;;) {
        this.endpoints.use(true);
        const problem = await check(target, settings, clock, signal);
        if (endpoint.checked.record(problem, settings.healthyAfter, settings.unhealthyAfter)) this.#turned(endpoint);
        await clock.sleep(settings.intervalMs * (0.9 + 0.2 * random.next()), signal);
      }
    });
  }

  #turned(endpoint: Endpoint): void {
    if (endpoint.checked.up === true) this.#ramp(endpoint);
    else this.#warn('A backend endpoint is not healthy.', endpoint, endpoint.checked.reason);
    this.#refresh();
  }

  #refresh(): void {
    const up = this.endpoints.all.filter((endpoint) => endpoint.weight > 0 && endpoint.checked.up !== false);
    const choices = up.filter(takesPart);
    // What requests found wrong never leaves a backend without endpoints; what checks found wrong does.
    const before = this.#choices;
    this.#choices = choices.length > 0 ? choices : up;
    // One that comes back owes nothing for the time before.
    for (const endpoint of this.#choices) if (!before.includes(endpoint)) endpoint.credit = 0;
  }

  #warn(message: string, endpoint: Endpoint, detail: string): void {
    this.#deps.onWarning(message, { backend: this.name, endpoint: endpoint.label, detail });
  }
}

function takesPart({ passive }: Endpoint): boolean {
  return passive.state === 'in' || passive.state === 'trial';
}
