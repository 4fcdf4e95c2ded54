/** The API and the web page: one express app behind a loopback TCP listener and the admin socket. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import { createLoginLimiter, type LoginLimiter } from '../access/login-limiter.ts';
import type { LoginLinks } from '../access/login-links.ts';
import { createHostGuard, type HostGuard } from '../access/host-guard.ts';
import { assertSafeListen } from '../access/listen-guard.ts';
import { formatAddress } from '../core/listen-address.ts';
import type { Sessions } from '../access/sessions.ts';
import type { Tokens } from '../access/tokens.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { CertificateView, ControlView } from '../core/ports/control-view.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import type { ListenAddress } from '../core/terminator.ts';
import type { Check } from '../explain/check.ts';
import { createApp } from './app.ts';
import { createAuthenticate, type Authenticate } from './authenticate.ts';
import { createEventHub, type EventHub } from './event-hub.ts';
import { closeServer, listenOnSocket, listenOnTcp } from './listeners.ts';
import { openApiRoute } from './openapi.ts';
import type { Route } from './route.ts';
import { accessRoutes } from './routes/access.ts';
import { certificateRoutes } from './routes/certificates.ts';
import { controlRoutes } from './routes/control.ts';
import { eventRoutes } from './routes/events.ts';
import { overviewRoutes } from './routes/overview.ts';

export interface ApiDeps {
  readonly view: ControlView;
  readonly tokens: Tokens;
  readonly sessions: Sessions;
  readonly loginLinks: LoginLinks;
  /** Left out: ten failed logins in ten minutes per address. */
  readonly limiter?: LoginLimiter | undefined;
  readonly certificateChecks: readonly Check<CertificateView>[];
  readonly installationChecks: readonly Check[];
  readonly clock: Clock;
  readonly log: Log;
}

interface ApiRoutesDeps extends ApiDeps {
  readonly limiter: LoginLimiter;
  readonly hub: EventHub;
  readonly authenticate: Authenticate;
}

export interface ApiOptions {
  /** Loopback only. Port 0: any free one. */
  readonly listen: ListenAddress;
  /** Absolute; `dataDir/run/admin.sock`. */
  readonly socketPath: string;
  /** Hosts the page answers to besides loopback (`admin.hosts`), with or without a port; asked again for every request. */
  readonly allowedHosts: () => readonly string[];
  /** Directory of the built web UI; it may be missing. */
  readonly webDir: string;
}

/**
 * `start` throws `access.insecure-listen`, `terminator.address-in-use`, `terminator.address-forbidden`, and for the
 * socket `store.locked` (a live process answers on it) and `store.unavailable`. Stopping gives requests under way their abort signal, awaits them, ends
 * event streams and cuts connections.
 */
export interface Api extends Part {
  /** `http://127.0.0.1:8484`, once started. */
  readonly address: string;
  /** A new one-time link that logs in as admin, good for ten minutes. */
  loginLink(): string;
}

export function createApi(deps: ApiDeps, options: ApiOptions): Api {
  const { log, loginLinks, limiter = createLoginLimiter(deps) } = deps;
  const stopping = new AbortController();
  const underWay = new Set<Promise<unknown>>();
  const hub = createEventHub({ view: deps.view, clock: deps.clock, log });
  const local = new WeakSet<IncomingMessage>();
  let guarded: { readonly hosts: readonly string[]; readonly guard: HostGuard } | undefined;
  const guard = (): HostGuard => {
    const hosts = options.allowedHosts();
    if (guarded?.hosts !== hosts)
      guarded = { hosts, guard: createHostGuard({ ...options.listen, port: boundPort }, hosts) };
    return guarded.guard;
  };

  const authenticate = createAuthenticate({ ...deps, isLocal: (request) => local.has(request) });
  const app = createApp({
    ...deps,
    limiter,
    webDir: options.webDir,
    routes: apiRoutes({ ...deps, limiter, hub, authenticate }),
    authenticate,
    stopping: stopping.signal,
    checkHost: (request) => {
      // No browser reaches the admin socket, so there is nothing to rebind or forge.
      if (local.has(request)) return;
      const { host, origin, 'sec-fetch-site': fetchSite } = request.headers;
      guard().check({ method: request.method ?? 'GET', host, origin, fetchSite: fetchSite?.toString() });
    },
    track: async (work) => {
      underWay.add(work);
      try {
        return await work;
      } finally {
        underWay.delete(work);
      }
    },
  });

  const tcp = httpServer((request, response) => app(request, response));
  const socket = httpServer((request, response) => {
    local.add(request);
    app(request, response);
  });
  let closing: Promise<void> | undefined;
  let boundPort = options.listen.port;

  async function close(): Promise<void> {
    stopping.abort();
    await hub[Symbol.asyncDispose]();
    // Handlers see the abort; their last words get one turn to leave before connections are cut.
    await Promise.allSettled(underWay);
    await new Promise((resolve) => setImmediate(resolve));
    await closeServers();
  }
  const closeServers = async (): Promise<unknown> => await Promise.all([closeServer(tcp), closeServer(socket)]);

  const api: Api = {
    get address() {
      return `http://${formatAddress({ ...options.listen, port: boundPort })}`;
    },
    loginLink: () => `${api.address}/login?code=${loginLinks.create('admin')}`,
    async start(signal) {
      const ended = AbortSignal.any([signal, stopping.signal]);
      ended.throwIfAborted();
      assertSafeListen(options.listen);
      try {
        await hub.start(stopping.signal);
        await listenOnTcp(tcp, options.listen);
        boundPort = (tcp.address() as AddressInfo).port;
        await listenOnSocket(socket, options.socketPath);
        ended.throwIfAborted();
      } catch (error) {
        await api[Symbol.asyncDispose]();
        // Stopped while it was opening: what opened after that is closed here.
        await closeServers();
        throw error;
      }
      for (const server of [tcp, socket]) server.on('error', (error) => log.error('The API has a problem.', { error }));
      signal.addEventListener('abort', () => void api[Symbol.asyncDispose](), { once: true });
    },
    async [Symbol.asyncDispose]() {
      closing ??= close();
      await closing;
    },
  };
  return api;
}

/** Every route below /api/v1. */
export function apiRoutes(deps: ApiRoutesDeps): readonly Route[] {
  const routes: Route[] = [
    ...certificateRoutes(deps),
    ...overviewRoutes(deps),
    ...eventRoutes(deps),
    ...controlRoutes(deps),
    ...accessRoutes(deps),
    openApiRoute(() => routes),
  ];
  return routes;
}

function httpServer(handle: (...args: Parameters<Express>) => unknown): Server {
  const limits = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 10_000, maxHeaderSize: 16_384 };
  const server = createServer({ ...limits, connectionsCheckingInterval: 5_000 }, (request, response) => {
    handle(request as never, response as never, () => undefined);
  });
  server.maxConnections = 2_000;
  return server;
}
