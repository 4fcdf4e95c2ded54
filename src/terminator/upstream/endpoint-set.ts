import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Backend, Endpoint as EndpointSettings } from '../../core/backend.ts';
import type { Bundle } from '../../core/bundle.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { ResolvedName, type Lookup, type NameProblem } from './addresses/name.ts';
import type { DialTarget, SocketAddress } from './dial.ts';
import { Endpoint, labelOf } from './endpoint.ts';
import { Http1Pool } from './http1/pool.ts';
import type { Rest } from './http1/rest.ts';
import { Http2Pool } from './http2/pool.ts';
import { Lane } from './lane.ts';
import { beatFor, Pulse } from './pulse.ts';
import { BackendTlsContext, EndpointTls } from './tls.ts';
import type { TransportLimits } from './transport.ts';

export type Files = Readonly<Record<string, string>>;

export interface EndpointSetDeps {
  readonly clock: Clock;
  readonly lookup: Lookup;
  readonly rest: Rest;
  clientCertificate(certificateId: string): Promise<Bundle | undefined>;
}

export interface EndpointSetEvents {
  /** `joins`: there were others already. */
  onAdded(endpoint: Endpoint, joins: boolean): void;
  /** Endpoints have come or gone. */
  onChanged(): void;
}

/** The endpoints of a backend as settings and names say, with their connections. */
export class EndpointSet {
  readonly #deps: EndpointSetDeps;
  readonly #events: EndpointSetEvents;
  readonly #pulse = new Pulse(500);
  readonly #names = new Map<string, ResolvedName>();
  #backend: Backend;
  #limits: TransportLimits;
  #tls: BackendTlsContext | undefined;
  #way: string;
  #all: readonly Endpoint[] = [];
  /** No longer part of it; some connections may still be in use. */
  readonly #leaving = new Set<Endpoint>();

  constructor(backend: Backend, files: Files, deps: EndpointSetDeps, events: EndpointSetEvents) {
    this.#deps = deps;
    this.#events = events;
    this.#backend = backend;
    this.#limits = limitsOf(backend);
    this.#way = wayOf(backend, files);
    this.#tls = this.#tlsOf(backend, files);
  }

  get all(): readonly Endpoint[] {
    return this.#all;
  }

  /** Some of them are found by name. */
  get named(): boolean {
    return this.#names.size > 0;
  }

  get names(): Iterable<ResolvedName> {
    return this.#names.values();
  }

  /** Keeps the connections of each endpoint that is still there and is reached in the same way. */
  configure(backend: Backend, files: Files): void {
    this.#backend = backend;
    this.#limits = limitsOf(backend);
    this.#pulse.everyMs = beatFor([this.#limits.idleMs, this.#limits.firstByteMs, this.#limits.connectMs]);
    const way = wayOf(backend, files);
    if (way !== this.#way) {
      this.#way = way;
      this.#tls = this.#tlsOf(backend, files);
      for (const endpoint of this.#all) this.#leave(endpoint);
      this.#all = [];
    }
    const hosts = new Set(
      backend.endpoints.flatMap((one) => ('host' in one && isIP(one.host) === 0 ? [one.host] : [])),
    );
    for (const host of this.#names.keys()) if (!hosts.has(host)) this.#names.delete(host);
    for (const host of hosts) {
      if (this.#names.has(host)) continue;
      const { lookup, clock } = this.#deps;
      this.#names.set(host, new ResolvedName(host, lookup, clock, () => this.#rebuild()));
    }
    this.#rebuild();
    this.use(true); // so that status knows names before the first request does
  }

  /** Keeps the names fresh. False: an answer is on its way that is worth waiting for; `some`: there are endpoints to go on with. */
  use(some: boolean): boolean {
    let known = true;
    for (const name of this.#names.values()) {
      const state = name.use();
      if (state === 'stale' || (state === 'asking' && !some)) known = false;
    }
    return known;
  }

  /** Calls back once every name that is being asked for is answered. */
  whenKnown(done: () => void): void {
    let waiting = 1;
    const answered = (): void => {
      waiting -= 1;
      if (waiting === 0) done();
    };
    for (const name of this.#names.values()) {
      waiting += 1;
      name.whenAsked(answered);
    }
    answered();
  }

  /** Why there are none. */
  get problem(): NameProblem | undefined {
    for (const { host, problem, addresses } of this.#names.values()) {
      if (problem !== undefined) return problem;
      if (addresses.length === 0) return { failure: 'backend-unresolvable', detail: `${host}: no answer in time` };
    }
    return undefined;
  }

  certificateChanged(certificateId: string): void {
    this.#tls?.certificateChanged(certificateId);
  }

  close(): void {
    for (const endpoint of this.#all) endpoint.close();
  }

  get empty(): boolean {
    return [...this.#all, ...this.#leaving].every((endpoint) => endpoint.open === 0);
  }

  destroy(): void {
    for (const endpoint of [...this.#all, ...this.#leaving]) endpoint.destroy();
  }

  #rebuild(): void {
    const before = new Map(this.#all.map((endpoint) => [endpoint.key, endpoint]));
    const joins = before.size > 0;
    const all: Endpoint[] = [];
    const added: Endpoint[] = [];
    const origins = new Map<string, number>();
    for (const settings of this.#backend.endpoints) {
      const written = 'unixPath' in settings ? `unix:${settings.unixPath}` : `${settings.host} ${settings.port}`;
      const times = origins.get(written) ?? 0;
      origins.set(written, times + 1);
      const origin = times === 0 ? written : `${written} #${times}`;
      for (const address of this.#addressesOf(settings)) {
        const key = `${origin} ${labelOf(address)}`;
        let endpoint = before.get(key);
        before.delete(key);
        if (endpoint === undefined) {
          endpoint = this.#create(key, origin, address, settings);
          added.push(endpoint);
        }
        endpoint.weight = settings.weight;
        all.push(endpoint);
      }
    }
    this.#all = all;
    for (const endpoint of before.values()) this.#leave(endpoint);
    for (const endpoint of added) this.#events.onAdded(endpoint, joins);
    this.#events.onChanged();
  }

  #leave(endpoint: Endpoint): void {
    for (const one of this.#leaving) if (one.open === 0) this.#leaving.delete(one);
    this.#leaving.add(endpoint);
    endpoint.close();
  }

  #addressesOf(settings: EndpointSettings): readonly SocketAddress[] {
    if ('unixPath' in settings) return [{ path: settings.unixPath }];
    const { host, port } = settings;
    const hosts = isIP(host) === 0 ? (this.#names.get(host)?.addresses ?? []) : [host];
    return hosts.map((address) => ({ host: address, port }));
  }

  #create(key: string, origin: string, address: SocketAddress, settings: EndpointSettings): Endpoint {
    const { protocol, proxyProtocol } = this.#backend;
    const host = 'host' in settings ? settings.host : undefined;
    const limits = (): TransportLimits => this.#limits;
    const target: DialTarget = {
      address,
      tls: this.#tls === undefined ? undefined : new EndpointTls(this.#tls, host),
      proxyProtocol,
      limits,
    };
    const options = { target, pulse: this.#pulse, limits };
    return new Endpoint({
      key,
      origin,
      address,
      authority: host === undefined ? 'localhost' : labelOf({ host, port: 'port' in settings ? settings.port : 0 }),
      transport: protocol === 'http2' ? new Http2Pool(options) : new Http1Pool(options, this.#deps.rest),
      lane: new Lane(target, this.#pulse, limits),
    });
  }

  #tlsOf({ tls, protocol }: Backend, files: Files): BackendTlsContext | undefined {
    if (tls === undefined) return undefined;
    const alpn = { http1: 'http/1.1', http2: 'h2', tcp: undefined } as const;
    const clientCertificate = this.#deps.clientCertificate.bind(this.#deps);
    return new BackendTlsContext({ tls, alpn: alpn[protocol], files, clientCertificate });
  }
}

function limitsOf({ timeouts, maxConnections, maxIdle }: Backend): TransportLimits {
  return { ...timeouts, maxConnections, maxIdle };
}

/** Tells whether connections made under one state of the settings serve under another. */
function wayOf({ protocol, tls, proxyProtocol }: Backend, files: Files): string {
  const texts = tls?.caFiles.map((path) => files[path] ?? null);
  const all = JSON.stringify([protocol, tls ?? null, proxyProtocol ?? null, texts ?? null]);
  return createHash('sha256').update(all).digest('base64');
}
