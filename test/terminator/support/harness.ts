import { join } from 'node:path';
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { backendDefaults, type Backend } from '../../../src/core/backend.ts';
import type { Bundle } from '../../../src/core/bundle.ts';
import type { CertificateSource } from '../../../src/core/ports/certificate-source.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { silentLog, type Log } from '../../../src/core/ports/log.ts';
import type { Route } from '../../../src/core/route.ts';
import {
  defaultLimits,
  defaultTimeouts,
  type SourceSpec,
  type TerminatorSettings,
} from '../../../src/core/terminator.ts';
import { systemClock } from '../../../src/core/system-clock.ts';
import { tlsPresets } from '../../../src/core/tls-policy.ts';
import { createLastGoodCache } from '../../../src/terminator/last-good/cache.ts';
import { createSupervisor, type Supervisor } from '../../../src/terminator/supervisor.ts';
import { fetchOnce, type FetchOptions, type FetchResult } from '../../support/http.ts';
import { tempDir } from '../../support/tempdir.ts';
import { TestCa, type LeafOptions } from '../../support/test-ca.ts';
import { until } from '../../support/until.ts';
import { TestFeed } from './test-feed.ts';

export interface TerminatorOptions {
  settings?: Partial<TerminatorSettings>;
  routes?: readonly Route[];
  feed?: TestFeed;
  sources?: (spec: SourceSpec) => CertificateSource;
  clock?: Clock;
  log?: Log;
  /** Where the last-good copy is; a new one by default. */
  cacheDirectory?: string;
  ca?: TestCa;
  /** Start without settings, as when only the feed knows them. */
  withoutSettings?: boolean;
}

export interface TestTerminator extends AsyncDisposable {
  readonly ca: TestCa;
  readonly feed: TestFeed;
  readonly supervisor: Supervisor;
  readonly settings: TerminatorSettings;
  readonly httpsPort: number;
  readonly httpPort: number;
  issue(options: LeafOptions | string): Promise<Bundle & { serial: string }>;
  /** Publishes a new version and waits until it is acknowledged. */
  serve(id: string, version: number, options: LeafOptions | string): Promise<Bundle & { serial: string }>;
  fetch(host: string, path: string, options?: FetchOptions): Promise<FetchResult>;
  plain(host: string, path: string, options?: FetchOptions): Promise<FetchResult>;
  /** A finished handshake. */
  handshake(host: string | undefined, options?: ConnectionOptions): Promise<TLSSocket>;
  /** Serial that a new handshake shows. */
  serial(host: string): Promise<string>;
}

export function settingsFor(settings: Partial<TerminatorSettings>, routes: readonly Route[]): TerminatorSettings {
  return {
    workers: 2,
    https: [{ host: '127.0.0.1', port: 0 }],
    http: [{ host: '127.0.0.1', port: 0 }],
    proxyProtocol: { https: false, http: false },
    trustedProxies: [],
    routes,
    hosts: [],
    tls: tlsPresets.intermediate,
    sources: [],
    timeouts: { ...defaultTimeouts, drainMs: 2_000 },
    limits: defaultLimits,
    ...settings,
    backends: { ...backendsOf(routes), ...settings.backends },
  };
}

/** Routes of tests name their backend by its URL. */
function backendsOf(routes: readonly Route[]): Record<string, Backend> {
  const names = routes.flatMap(({ action }) => ('backend' in action ? [action.backend] : []));
  return Object.fromEntries(names.filter((name) => URL.canParse(name)).map((url) => [url, backendAt(url)]));
}

/** `http://127.0.0.1:1234`, or `h2c:` or `tcp:` for other protocols. */
export function backendAt(url: string, options: Partial<Backend> = {}): Backend {
  const { protocol, hostname, port } = new URL(url.replace(/^(h2c|tcp):/, 'http:'));
  const kinds = { 'h2c:': 'http2', 'tcp:': 'tcp' } as const;
  const kind = kinds[new URL(url).protocol as keyof typeof kinds] ?? 'http1';
  return {
    ...backendDefaults,
    protocol: kind,
    endpoints: [
      { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'https:' ? 443 : 80)), weight: 1 },
    ],
    ...options,
  };
}

export function routeTo(host: string, action: Route['action'], path = '/'): Route {
  return { name: `${host}${path}`, hosts: [host], path: { kind: 'prefix', value: path }, action, http: 'redirect' };
}

export function proxyRoute(host: string, backend: string, path = '/'): Route {
  return routeTo(host, { kind: 'proxy', backend }, path);
}

export function respondRoute(host: string, body: string, path = '/'): Route {
  return routeTo(host, { kind: 'respond', status: 200, body, headers: {} }, path);
}

export async function startTerminator(options: TerminatorOptions = {}): Promise<TestTerminator> {
  await using stack = new AsyncDisposableStack();
  const ca = options.ca ?? (await TestCa.create());
  const feed = options.feed ?? new TestFeed();
  const directory = options.cacheDirectory ?? stack.use(await tempDir()).path;
  const settings = settingsFor(options.settings ?? {}, options.routes ?? []);
  const supervisor = createSupervisor({
    feed,
    sourceFor:
      options.sources ??
      (() => {
        throw new Error('no sources in this test');
      }),
    settings: options.withoutSettings === true ? undefined : settings,
    cache: createLastGoodCache({ directory: join(directory, 'copy'), keyFile: join(directory, 'copy.key') }),
    terminatorId: 'test',
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
  });
  stack.use(supervisor);
  await supervisor.start(new AbortController().signal);
  const portOf = (protocol: string): number => {
    const url = supervisor.status().listening.find((address) => address.startsWith(`${protocol}:`));
    return Number(url?.split(':').at(-1));
  };
  const terminator = {
    ca,
    feed,
    supervisor,
    settings,
    get httpsPort() {
      return portOf('https');
    },
    get httpPort() {
      return portOf('http');
    },
    async issue(wanted: LeafOptions | string) {
      const leaf = await ca.issue(typeof wanted === 'string' ? { dnsNames: [wanted] } : wanted);
      return { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem, serial: leaf.serial.toUpperCase() };
    },
    async serve(id: string, version: number, wanted: LeafOptions | string) {
      const bundle = await terminator.issue(wanted);
      await feed.acknowledged(feed.publishCertificate(id, version, bundle));
      return bundle;
    },
    async fetch(host: string, path: string, fetchOptions: FetchOptions = {}) {
      const connectTo = { port: terminator.httpsPort };
      return await fetchOnce(`https://${host}${path}`, { ca: ca.certPem, connectTo, ...fetchOptions });
    },
    async plain(host: string, path: string, fetchOptions: FetchOptions = {}) {
      return await fetchOnce(`http://${host}${path}`, { connectTo: { port: terminator.httpPort }, ...fetchOptions });
    },
    async handshake(host: string | undefined, tls: ConnectionOptions = {}) {
      const socket = tlsConnect({
        host: '127.0.0.1',
        port: terminator.httpsPort,
        ca: ca.certPem,
        ...(host === undefined ? { checkServerIdentity: () => undefined } : { servername: host }),
        ...tls,
      });
      await once(socket, 'secureConnect');
      return socket;
    },
    async serial(host: string) {
      const socket = await terminator.handshake(host);
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    },
  };
  const parts = stack.move();
  return Object.defineProperties(Object.create(null), {
    ...Object.getOwnPropertyDescriptors(terminator),
    [Symbol.asyncDispose]: { value: async () => await parts.disposeAsync() },
  }) as TestTerminator;
}

export async function untilReady(supervisor: Supervisor): Promise<void> {
  await until(() => supervisor.status().ready, { what: 'readiness' });
}
