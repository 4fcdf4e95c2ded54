/** Both seams of the proxy played by the test: a client that keeps what it is sent, and backends that do as they are told. */
import { Duplex } from 'node:stream';
import { tlsPresets, type TlsPolicy } from '../../../src/core/tls-policy.ts';
import type { Route } from '../../../src/core/route.ts';
import type {
  BodySink,
  Connection,
  Inbound,
  Outbound,
  Outcome,
  RequestBody,
} from '../../../src/terminator/proxy/exchange.ts';
import type { FrontOptions } from '../../../src/terminator/proxy/transaction.ts';
import { compileRoutes } from '../../../src/terminator/routing/route-table.ts';
import type { BackendCall, BackendEvents, BackendRequest, Backends } from '../../../src/terminator/upstream/backend.ts';

export const tls: NonNullable<Connection['tls']> = {
  serverName: 'a.test',
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  resumed: false,
  certificateNames: ['a.test', '*.wide.test'],
  policyId: 'default',
};

export function connectionWith(overrides: Partial<Connection> = {}): Connection {
  return {
    protocol: 'https',
    address: '192.0.2.7',
    port: 50_000,
    localAddress: '192.0.2.1',
    localPort: 443,
    trusted: false,
    tls,
    ...overrides,
  };
}

export function inboundWith(overrides: Partial<Inbound> = {}): Inbound {
  return {
    method: 'GET',
    target: '/',
    authority: 'a.test',
    host: 'a.test',
    headers: [],
    version: '1.1',
    connection: connectionWith(),
    body: undefined,
    upgrade: undefined,
    ...overrides,
  };
}

/** A request body that the test sends. */
export class SentBody implements RequestBody {
  readonly framing: 'length' | 'chunked' = 'chunked';
  sink: BodySink | undefined;
  paused = false;
  discarded = false;

  get begun(): boolean {
    return this.sink !== undefined;
  }

  read(sink: BodySink): void {
    this.sink = sink;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  discard(): void {
    this.discarded = true;
  }
}

/** What the client sees. */
export class Seen implements Outbound {
  status = 0;
  headers: readonly string[] = [];
  closing = false;
  body = '';
  trailers: readonly string[] | undefined;
  informed: number[] = [];
  flushes = 0;
  wasCut = false;
  /** Set: `write` says so. */
  full = false;
  readonly tunnels: TunnelEnd[] = [];
  readonly #close: ((outcome: Outcome) => void)[] = [];
  readonly #drain: (() => void)[] = [];

  get ended(): boolean {
    return this.trailers !== undefined;
  }
  values(name: string): string[] {
    return this.headers.filter((_, i) => i % 2 === 1 && this.headers[i - 1]?.toLowerCase() === name);
  }
  onClose(listener: (outcome: Outcome) => void): void {
    this.#close.push(listener);
  }
  onDrain(listener: () => void): void {
    this.#drain.push(listener);
  }
  inform(status: number): void {
    this.informed.push(status);
  }
  head(status: number, _reason: string, headers: readonly string[], closing: boolean): void {
    if (this.status !== 0) throw new Error('a second head');
    this.status = status;
    this.headers = headers;
    this.closing = closing;
  }
  write(chunk: Buffer): boolean {
    if (this.ended || this.wasCut) throw new Error('written after the end');
    this.body += chunk.toString('latin1');
    return !this.full;
  }
  end(trailers: readonly string[]): void {
    if (this.ended || this.wasCut) throw new Error('ended twice');
    this.trailers = trailers;
    this.close(true);
  }
  flush(): void {
    this.flushes += 1;
  }
  tunnel(headers: readonly string[]): Duplex {
    this.status = 101;
    this.headers = headers;
    const end = new TunnelEnd();
    this.tunnels.push(end);
    return end;
  }
  cut(): void {
    this.wasCut = true;
    this.close(false);
  }
  drain(): void {
    this.full = false;
    for (const listener of this.#drain) listener();
  }
  close(complete: boolean): void {
    for (const listener of this.#close.splice(0)) listener({ status: this.status, bytes: this.body.length, complete });
  }
}

/** One end of a connection: `other` is what the far side holds. */
export class TunnelEnd extends Duplex {
  received = '';
  constructor() {
    super({ allowHalfOpen: true, emitClose: true });
  }
  override _read(): void {
    // the test pushes
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received += chunk.toString('latin1');
    done();
  }
}

/** One call to a backend, answered by the test. */
export class Call implements BackendCall {
  readonly endpoint = '10.0.0.2:80';
  readonly backend: string;
  readonly request: BackendRequest;
  readonly events: BackendEvents;
  started = false;
  paused = false;
  aborted = false;
  body = '';
  trailers: readonly string[] | undefined;
  full = false;

  constructor(backend: string, request: BackendRequest, events: BackendEvents) {
    this.backend = backend;
    this.request = request;
    this.events = events;
  }
  start(): void {
    this.started = true;
  }
  write(chunk: Buffer): boolean {
    this.body += chunk.toString('latin1');
    return !this.full;
  }
  finish(trailers: readonly string[]): void {
    this.trailers = trailers;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  abort(): void {
    this.aborted = true;
  }
  header(name: string): string[] {
    const { headers } = this.request;
    return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name);
  }
}

export interface World {
  readonly options: FrontOptions;
  readonly calls: Call[];
  readonly failures: string[];
}

export function worldWith(
  routes: readonly Route[],
  overrides: Partial<FrontOptions> = {},
  policies: Readonly<Record<string, Partial<TlsPolicy>>> = {},
): World {
  const calls: Call[] = [];
  const failures: string[] = [];
  const table = compileRoutes(
    routes,
    Object.fromEntries(routes.flatMap(({ action }) => ('backend' in action ? [[action.backend, {}]] : []))),
  );
  const backends: Backends = {
    call: (backend, request, events) => {
      const call = new Call(backend, request, events);
      calls.push(call);
      return call;
    },
    connect: () => {
      throw new Error('not a tcp route');
    },
  };
  const policyOf = (host: string) => {
    const own = policies[host];
    return own === undefined
      ? { id: 'default', tls: tlsPresets.intermediate }
      : { id: JSON.stringify(own.clientCertificates ?? 'default'), tls: { ...tlsPresets.intermediate, ...own } };
  };
  const options: FrontOptions = {
    backends,
    routes: () => table,
    policyOf,
    tunnelIdleMs: () => 0,
    onBackendFailure: (backend, failure, detail) => failures.push(`${backend} ${failure} ${detail}`),
    ...overrides,
  };
  return { options, calls, failures };
}
