import { createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import type { Bundle } from '../../core/bundle.ts';
import type { BackendReport, Refusal } from '../../core/feed.ts';
import type { TerminatorTimeouts } from '../../core/terminator.ts';
import type { MaterialAnswer, WorkerChange, WorkerSettings } from '../ipc/messages.ts';
import { compileRoutes, type RouteTable } from '../routing/route-table.ts';
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
import { TlsFront } from '../tls/tls-front.ts';

export interface DataPlaneOptions {
  readonly lookups: Lookups;
  readonly settings: WorkerSettings;
  readonly challenges: Iterable<readonly [token: string, keyAuthorization: string]>;
  readonly ticketKeys: readonly string[];
  onWarning(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What `server.listen` takes: a bound socket from the supervisor, or an address. */
export type ListenTarget = Parameters<TcpServer['listen']>[0];

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
  readonly #listeners = new Map<number, TcpServer>();
  readonly #sockets = new Set<Socket>();
  readonly #http1: Record<'https' | 'http', Http1>;
  readonly #http2: Http2;
  readonly #tls: TlsFront;
  #settings: WorkerSettings;
  #routes: RouteTable;
  #draining = false;
  #onQuiet: (() => void) | undefined;
  #defaultVersion: string | undefined;

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
    const { timeouts, backends } = options.settings.settings;
    this.#routes = this.#compileRoutes(options.settings);
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
      policyOf: () => ({ id: 'default', tls: this.#settings.settings.tls }),
      tunnelIdleMs: () => this.#timeouts.tunnelIdleMs,
      onBackendFailure: (backend: string, failure: BackendFailure, detail: string) =>
        this.#backendFailed(backend, failure, detail),
    };
    const https = new HttpsFront(proxy);
    const common = {
      settings: options.settings.settings,
      onRefused: ({ protocol }: Connection, status: number) => this.counters.refused(protocol, status),
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
    this.#http2 = createHttp2({ ...common, handle: overTls, onLimit: (reason) => this.counters.limited(reason) });
    this.#tls = new TlsFront({
      group: {
        name: 'certplane-default',
        handshakeMs: timeouts.handshakeMs,
        ticketKeys: Buffer.from(options.ticketKeys[0] as string, 'base64'),
      },
      certificates: this.certificates,
      defaultHost: () => this.#settings.settings.defaultHost,
      onHandshake: (result) => this.counters.handshakeFailed(result),
      onSecure: (socket, certificateNames) => {
        const tls = {
          serverName: undefined,
          version: socket.getProtocol() ?? '',
          cipher: socket.getCipher().name,
          resumed: socket.isSessionReused(),
          certificateNames: certificateNames ?? [],
          policyId: 'default',
        };
        const connection: Connection = {
          ...connectionOf(socket, 'https'),
          ...(certificateNames === undefined ? {} : { tls }),
        };
        if (socket.alpnProtocol === 'h2') {
          this.#http2.accept(socket, connection);
          if (this.#draining) this.#http2.goAway();
        } else {
          this.#http1.https.accept(socket, connection);
        }
      },
    });
  }

  get counters(): Counters {
    return this.#observer.counters;
  }

  endpoints(): readonly BackendReport[] {
    return this.#backends.states().map(endpointReport);
  }

  /** Resolves when connections are accepted; rejects with the socket's own error. */
  async listen(id: number, protocol: 'https' | 'http', target: ListenTarget): Promise<void> {
    const server = createTcpServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
      this.#track(socket);
      if (protocol === 'https') this.#tls.accept(socket);
      else {
        this.#http1.http.accept(socket, connectionOf(socket, 'http'));
      }
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(target, resolve);
    await promise;
    server.off('error', reject);
    // Running out of descriptors is the usual reason; the listener goes on by itself.
    server.on('error', (error) =>
      this.#options.onWarning('A connection could not be accepted.', { error: error.message }),
    );
    if (this.#draining) server.close();
    else this.#listeners.set(id, server);
  }

  /** Accepts nothing more there; what is waiting in the shared socket stays for the other workers. */
  unlisten(id: number): void {
    this.#listeners.get(id)?.close();
    this.#listeners.delete(id);
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
      }
    }
    const certificates = changes.filter((change) => change.kind === 'certificate');
    const refusals = certificates.length === 0 ? [] : await this.certificates.apply(certificates);
    await this.refreshDefault();
    return refusals;
  }

  /** Puts the default certificate in place for clients that send no server name; the old one stays where that fails. */
  async refreshDefault(): Promise<void> {
    const { defaultHost } = this.#settings.settings;
    try {
      const found = defaultHost === undefined ? undefined : await this.certificates.material(defaultHost);
      if (found?.versionId === this.#defaultVersion) return;
      this.#tls.setDefault(found?.bundle, found?.names);
      this.#defaultVersion = found?.versionId;
    } catch (error) {
      this.#options.onWarning('The default certificate cannot be loaded.', { error: String(error) });
    }
  }

  /** Accepts nothing new and lets open exchanges end; resolves when all have, or cuts them after `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    for (const server of Object.values(this.#http1)) server.drain();
    for (const id of this.#listeners.keys()) this.unlisten(id);
    this.#http2.goAway();
    this.#closeQuiet();
    if (this.#sockets.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onQuiet = resolve;
      const quiet = setInterval(() => this.#closeQuiet(), quietMs);
      const deadline = setTimeout(resolve, deadlineMs);
      await promise;
      clearInterval(quiet);
      clearTimeout(deadline);
    }
    for (const socket of this.#sockets) socket.destroy();
    for (const server of [...Object.values(this.#http1), this.#http2]) server.destroy();
    await this.#backends.destroy();
    await this.#observer.close();
  }

  get #timeouts(): TerminatorTimeouts {
    return this.#settings.settings.timeouts;
  }

  #closeQuiet(): void {
    for (const server of Object.values(this.#http1)) server.closeQuiet();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    this.counters.connections = this.#sockets.size;
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.counters.connections = this.#sockets.size;
      if (this.#sockets.size === 0) this.#onQuiet?.();
    });
  }

  #reconfigure(settings: WorkerSettings): void {
    this.#settings = settings;
    this.#observer.update(settings.settings);
    const { backends } = settings.settings;
    this.#routes = this.#compileRoutes(settings);
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

function connectionOf(socket: Socket, protocol: 'https' | 'http'): Connection {
  // An IPv4 client of a dual-stack socket is shown as what it is.
  const plain = (address = ''): string => address.replace(/^::ffff:/i, '');
  return {
    protocol,
    address: plain(socket.remoteAddress),
    port: socket.remotePort ?? 0,
    localAddress: plain(socket.localAddress),
    localPort: socket.localPort ?? 0,
    trusted: false,
  };
}
