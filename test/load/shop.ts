/** The whole program, two certificates of a private CA, two workers, a backend; what tests of its processes look at. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import { show } from '../e2e/shop.ts';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import type { ProcessInfo } from '../support/process-tree.ts';
import { until } from '../support/until.ts';

export const hosts = ['one.test', 'two.test'] as const;
export type Role = 'control' | 'terminator' | 'worker';

export interface Shop extends AsyncDisposable {
  readonly place: Site;
  readonly backend: Backend;
  readonly certplane: Certplane;
  readonly rootPem: string;
  /** Processes of that role, alive now. */
  processes(role: Role): ProcessInfo[];
  /** The one process of that role. */
  pid(role: 'control' | 'terminator'): number;
  /** Waits until another process than `before` has the role and says that it is ready. */
  replaced(role: 'control' | 'terminator', before: number): Promise<number>;
  /** What new handshakes show, by host. */
  serials(): Promise<Record<string, string>>;
  /** What control holds, by host: number and serial of the version in use. */
  versions(): Promise<Record<string, string>>;
  /** How often something has been issued, by the history. */
  issuances(): Promise<number>;
  /** Renews the certificate of a host; resolves with the new serial when new handshakes show it. */
  renew(host: string): Promise<string>;
}

export async function startShop(): Promise<Shop> {
  await using stack = new AsyncDisposableStack();
  const place = await site();
  const backend = stack.use(await startBackend());
  const certplane = stack.use(await startCertplane({ configYaml: configFor(place, backend.url) }));
  const { dir } = certplane;
  await until(async () => await served(certplane, place), { timeoutMs: 30_000, what: 'both certificates served' });
  const rootPem = await readFile(join(dir, 'data', 'ca', 'local.pem'), 'utf8');
  const parts = stack.move();
  const shop: Shop = {
    place,
    backend,
    certplane,
    rootPem,
    processes: (role) => processesOf(certplane, role),
    pid: (role) => {
      const found = shop.processes(role);
      assert.equal(found.length, 1, `one ${role} process`);
      return found[0]?.pid ?? 0;
    },
    replaced: async (role, before) =>
      await until(
        async () => {
          const pid = shop.pid(role);
          return pid !== before && (await isReady(place, role)) && pid;
        },
        { timeoutMs: 20_000, what: `another ${role} that is ready` },
      ),
    serials: async () =>
      await byHost(async (host) => {
        const socket = connect({ host: '127.0.0.1', port: place.https, servername: host, ca: rootPem });
        await once(socket, 'secureConnect');
        const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
        socket.destroy();
        return serial;
      }),
    versions: async () =>
      await byHost(async (host) => {
        const { version, serial } = await show(certplane, idOf(host));
        return `${version} ${serial}`;
      }),
    issuances: async () => {
      const socketPath = join(dir, 'data', 'run', 'admin.sock');
      const { body } = await fetchOnce('http://admin/api/v1/history?kind=issued&limit=500', { socketPath });
      return (JSON.parse(body) as { items: unknown[] }).items.length;
    },
    renew: async (host) => {
      const before = (await shop.serials())[host];
      const { code, stderr } = await certplane.cli(['renew', idOf(host), '--wait']);
      assert.equal(code, 0, stderr);
      return await until(
        async () => {
          const serial = (await shop.serials())[host];
          return serial !== before && serial;
        },
        { what: `the renewed certificate of ${host} in new handshakes` },
      );
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
  return shop;
}

/** Processes of that role, alive now. */
export function processesOf(certplane: Certplane, role: Role): ProcessInfo[] {
  return certplane.processes().filter(({ args }) => roleOf(args) === role);
}

function configFor(place: Site, backendUrl: string): string {
  return `${place.base}
issuers:
  local: { ca: {} }
defaults: { issuers: [local] }
certificates:
${hosts.map((host) => `  ${host.split('.')[0]}: { dnsNames: [${host}], lifetime: 90d }`).join('\n')}
${terminatorOf(place)}
  timeouts: { drain: 5s }
  routes:
    - hosts: [${hosts.join(', ')}]
      backend: ${backendUrl}
`;
}

async function served(certplane: Certplane, place: Site): Promise<boolean> {
  const shown = await byHost(async (host) => await show(certplane, idOf(host)));
  return Object.values(shown).every(isServed) && (await isReady(place, 'terminator'));
}

function isServed({ phase, servedBy }: CertificateDetail): boolean {
  return phase.state === 'ready' && servedBy.some(({ upToDate }) => upToDate);
}

async function isReady(place: Site, role: 'control' | 'terminator'): Promise<boolean> {
  const port = role === 'control' ? place.metrics : place.terminatorMetrics;
  return (await fetchOnce(`http://127.0.0.1:${port}/readyz`)).status === 200;
}

function roleOf(args: string): Role | undefined {
  if (args === 'certplane worker') return 'worker';
  const command = args.split(' ').find((word) => ['control', 'terminator', 'run'].includes(word));
  return command === 'run' ? undefined : (command as Role | undefined);
}

function idOf(host: string): string {
  return `file/${host.split('.')[0]}`;
}

async function byHost<T>(read: (host: string) => Promise<T>): Promise<Record<string, T>> {
  return Object.fromEntries(await Promise.all(hosts.map(async (host) => [host, await read(host)] as const)));
}
