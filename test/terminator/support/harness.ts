import { join } from 'node:path';
import { connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { Bundle } from '../../../src/core/bundle.ts';
import type { CertificateSource } from '../../../src/core/ports/certificate-source.ts';
import type { Clock } from '../../../src/core/ports/clock.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import { defaultTimeouts, type Route, type SourceSpec, type TerminatorSettings } from '../../../src/core/route.ts';
import { systemClock } from '../../../src/core/system-clock.ts';
import { createLastGoodCache } from '../../../src/terminator/cache.ts';
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
    routes,
    sources: [],
    timeouts: { ...defaultTimeouts, drainMs: 2_000 },
    ...settings,
  };
}

export function proxyRoute(host: string, origin: string, path = '/'): Route {
  return { hosts: [host], path, action: { kind: 'proxy', origin } };
}

export function respondRoute(host: string, body: string, path = '/'): Route {
  return { hosts: [host], path, action: { kind: 'respond', status: 200, body, headers: {} } };
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
    log: silentLog,
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
