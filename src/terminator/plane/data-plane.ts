import type { Account } from '../../core/accounts.ts';
import type { Bundle } from '../../core/bundle.ts';
import type { BackendReport, Refusal } from '../../core/feed.ts';
import type { TerminatorTimeouts } from '../../core/terminator.ts';
import { Listeners, type ListenTarget } from '../accept/listeners.ts';
import type { Peer } from '../accept/peer.ts';
import { Reception } from '../accept/reception.ts';
import type { MaterialAnswer, WorkerChange, WorkerSettings } from '../ipc/messages.ts';
import { compileRoutes, type RouteTable } from '../routing/route-table.ts';
import { compileByteRoutes, type ByteRoutes } from '../tcp/byte-routes.ts';
import { TcpFront } from '../tcp/tcp-front.ts';
import type { BackendFailure } from '../upstream/backend.ts';
import { createBackends, type ManagedBackends } from '../upstream/create-backends.ts';
import { WorkerCertificates, type Lookups } from '../tls/certificates.ts';
import type { Counters } from '../observe/counters.ts';
import { endpointReport } from '../observe/endpoint-report.ts';
import { Observer } from '../observe/observer.ts';
import { createHttp1, type Http1 } from '../http1/http1.ts';
import { createHttp2, type Http2 } from '../http2/http2.ts';
import type { Connection, Inbound, Outbound } from '../proxy/exchange.ts';
import { HttpsFront } from '../proxy/https-front.ts';
import { PlainFront } from '../proxy/plain-front.ts';
import { TlsFront } from '../tls/front.ts';
import { RefusedClients } from '../tls/refused-clients.ts';

export interface DataPlaneOptions {
  readonly lookups: Lookups;
  readonly settings: WorkerSettings;
  readonly challenges: Iterable<readonly [token: string, keyAuthorization: string]>;
  readonly ticketKeys: readonly string[];
  /** Gives a listener its socket again, by `listen`. */
  reclaim(id: number): void;
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** While draining: a connection without a request for this long is closed. */
const quietMs = 500;
/** Slots of our own certificates begin with this; their id follows. */
const ownSlots = 'feed ';
const limits = { contexts: 2_000, hosts: 20_000 };

/** Everything between accepted sockets and backends in one worker. */
export class DataPlane {
  readonly #observer: Observer;
  readonly certificates: WorkerCertificates;
  readonly #options: DataPlaneOptions;
  readonly #challenges: Map<string, string>;
  readonly #backends: ManagedBackends;
  readonly #listeners: Listeners;
  readonly #reception: Reception;
  readonly #tcp: TcpFront;
  readonly #http1: Record<'https' | 'http', Http1>;
  readonly #http2: Http2;
  readonly #tls: TlsFront<Peer>;
  #settings: WorkerSettings;
  #routes: RouteTable;
  #byteRoutes: ByteRoutes;
  #draining = false;
  #onQuiet: (() => void) | undefined;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#challenges = new Map(options.challenges);
    this.#observer = new Observer(
      {
        now: Date.now,
        random: Math.random,
        onTrouble: (message) => options.onWarning(message, {}),
      },
      options.settings.settings,
    );
    const { routes, backends } = options.settings.settings;
    this.#routes = this.#compileRoutes(options.settings);
    this.#byteRoutes = compileByteRoutes(routes);
    this.#backends = createBackends(
      {
        clientCertificate: (id) => this.#clientCertificate(id),
        onWarning: (message, fields) => options.onWarning(message, fields),
      },
      { backends, files: options.settings.files },
    );
    this.certificates = new WorkerCertificates(options.lookups, limits);
    const observer = this.#observer;
    const proxy = {
      get onExchange() {
        return observer.onExchange;
      },
      backends: this.#backends,
      routes: () => this.#routes,
      policyOf: (host: string) => this.#tls.policyOf(host),
      tunnelIdleMs: () => this.#timeouts.tunnelIdleMs,
      onBackendFailure: (backend: string, failure: BackendFailure, detail: string) =>
        this.#backendFailed(backend, failure, detail),
    };
    const https = new HttpsFront(proxy);
    const common = {
      settings: options.settings.settings,
      onRefused: ({ protocol }: Connection, status: number) => this.counters.refused(protocol, status),
      onLimit: (limit: string) => this.counters.limited(limit),
    };
    const plain = new PlainFront({
      ...proxy,
      get onExchange() {
        return observer.onExchange;
      },
      validityOf: (host) => this.certificates.describe(host),
      challenges: this.#challenges,
      httpsPort: () => this.#settings.httpsPort,
    });
    const overTls = (inbound: Inbound, outbound: Outbound): void => https.handle(inbound, outbound);
    this.#http1 = {
      https: createHttp1({ ...common, handle: overTls }),
      http: createHttp1({
        ...common,
        handle: (inbound, outbound) => {
          plain.handle(inbound, outbound).catch((error: unknown) => {
            options.onWarning('A request over http could not be answered.', { error: String(error) });
            outbound.cut();
          });
        },
      }),
    };
    this.#http2 = createHttp2({ ...common, handle: overTls });
    const refusedClients = new RefusedClients({
      now: Date.now,
      warn: (message, fields) => options.onWarning(message, fields),
    });
    this.#tls = new TlsFront<Peer>({
      certificates: this.certificates,
      settings: options.settings,
      ticketKeys: options.ticketKeys.map(decodeKey),
      onSecure: (socket, tls, alpn, peer) => {
        this.counters.handshake(tls);
        const host = tls.serverName ?? this.#settings.settings.defaultHost;
        const backend = host === undefined ? undefined : this.#byteRoutes.tcpFor(host);
        if (host !== undefined && backend !== undefined)
          this.#tcp.terminate(socket, { backend, host }, { ...peer, tls });
        else if (alpn === 'h2') {
          this.#http2.accept(socket, { ...peer, tls });
          if (this.#draining) this.#http2.goAway();
        } else this.#http1.https.accept(socket, { ...peer, tls });
      },
      onFailure: ({ reason, detail, host, peer }) => {
        this.counters.handshakeFailed(reason);
        refusedClients.add({ reason, detail, host, client: peer.address });
      },
      onWarning: (message, fields) => options.onWarning(message, fields),
    });
    this.#tcp = new TcpFront({
      backends: this.#backends,
      tunnelIdleMs: () => this.#timeouts.tunnelIdleMs,
      onClosed: (tunnel) => {
        this.counters.tunnel(tunnel);
        observer.tunnel(tunnel);
      },
      onBackendFailure: (failed) => {
        this.#backendFailed(failed.backend, failed.failure, failed.detail);
        observer.tunnel(failed);
      },
    });
    this.#reception = new Reception(options.settings.settings, {
      passthroughFor: (host) => this.#byteRoutes.passthroughFor(host),
      passThrough: (socket, to, firstBytes, peer) => this.#tcp.passThrough(socket, to, firstBytes, peer),
      secure: (socket, hello, firstBytes, peer) => this.#tls.accept(socket, hello, firstBytes, peer),
      serveHttp: (socket, peer, firstBytes) => this.#http1.http.accept(socket, peer, firstBytes),
      onFailure: (reason) => this.counters.handshakeFailed(reason),
      onLimit: (reason) => this.counters.limited(reason),
      onFull: (full) => this.#listeners.setFull(full),
      onEmpty: () => this.#onQuiet?.(),
    });
    this.#listeners = new Listeners({
      onConnection: (socket, protocol) => this.#reception.accept(socket, protocol),
      reclaim: (id) => options.reclaim(id),
      onError: ({ message }) => options.onWarning('A connection could not be accepted.', { error: message }),
    });
  }

  get counters(): Counters {
    const { counters } = this.#observer;
    counters.connections = this.#reception.size;
    return counters;
  }

  /** With the rights it has now, for a process that is about to become `owner`. */
  openAccessLog(owner: Account): void {
    this.#observer.open(owner);
  }

  endpoints(): readonly BackendReport[] {
    return this.#backends.states().map(endpointReport);
  }

  /** Resolves when connections are accepted; rejects with the socket's own error. */
  async listen(id: number, protocol: 'https' | 'http', target: ListenTarget): Promise<void> {
    await this.#listeners.listen(id, protocol, target);
  }

  /** Accepts nothing more there; what is waiting in the supervisor's socket stays for other workers. */
  unlisten(id: number): void {
    this.#listeners.unlisten(id);
  }

  /** Takes changes in at once; resolves when certificates that are loaded have been replaced, too. */
  async apply(changes: readonly WorkerChange[]): Promise<readonly Refusal[]> {
    for (const change of changes) {
      if (change.kind === 'settings') this.#reconfigure(change.settings);
      else if (change.kind === 'challenge') {
        if (change.keyAuthorization === undefined) this.#challenges.delete(change.token);
        else this.#challenges.set(change.token, change.keyAuthorization);
      } else if (change.kind === 'certificate' && change.slot?.startsWith(ownSlots) === true) {
        this.#backends.certificateChanged(change.slot.slice(ownSlots.length));
      } else if (change.kind === 'ticket-keys') this.#tls.setTicketKeys(change.keys.map(decodeKey));
      else if (change.kind === 'staple') this.certificates.staple(change);
    }
    const certificates = changes.filter((change) => change.kind === 'certificate');
    const refusals = certificates.length === 0 ? [] : await this.certificates.apply(certificates);
    return refusals;
  }

  /** Accepts nothing new and lets open exchanges end; resolves when all have, or cuts them after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    for (const server of Object.values(this.#http1)) server.drain();
    this.#listeners.close();
    this.#http2.goAway();
    this.#closeQuiet();
    if (this.#reception.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onQuiet = resolve;
      const quiet = setInterval(() => this.#closeQuiet(), quietMs);
      const deadline = setTimeout(resolve, deadlineMs);
      await promise;
      clearInterval(quiet);
      clearTimeout(deadline);
    }
    this.#tls.destroy();
    this.#tcp.destroy();
    this.#reception.destroy();
    for (const server of [...Object.values(this.#http1), this.#http2]) server.destroy();
    await this.#backends.destroy();
    await this.#observer.close();
  }

  get #timeouts(): TerminatorTimeouts {
    return this.#settings.settings.timeouts;
  }

  #closeQuiet(): void {
    this.#reception.closeQuiet();
    for (const server of Object.values(this.#http1)) server.closeQuiet();
  }

  #reconfigure(settings: WorkerSettings): void {
    this.#settings = settings;
    this.#observer.update(settings.settings);
    const { routes, backends } = settings.settings;
    this.#tls.configure(settings);
    this.#reception.configure(settings.settings);
    this.#routes = this.#compileRoutes(settings);
    this.#byteRoutes = compileByteRoutes(routes);
    this.#backends.update({ backends, files: settings.files });
    for (const server of [...Object.values(this.#http1), this.#http2]) server.configure(settings.settings);
  }

  #compileRoutes({ settings }: WorkerSettings): RouteTable {
    const table = compileRoutes(settings.routes, settings.backends);
    for (const { route, hosts, message } of table.problems)
      this.#options.onWarning('A route cannot be used; requests for it are answered 503.', {
        route,
        hosts,
        reason: message,
      });
    return table;
  }

  /** Of our own, to be shown to a backend. */
  async #clientCertificate(id: string): Promise<Bundle | undefined> {
    const { promise, resolve } = Promise.withResolvers<MaterialAnswer>();
    this.#options.lookups.material(ownSlots + id, resolve);
    const found = await promise;
    return found === null || found === 'unreadable' ? undefined : found.bundle;
  }

  #backendFailed(backend: string, failure: BackendFailure, detail: string): void {
    this.counters.backendFailed(backend, failure);
    this.#options.onWarning('A backend gave no complete answer.', { backend, reason: failure, detail });
  }
}

function decodeKey(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
