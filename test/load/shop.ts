/** The whole program under load: a private CA, two certificates, two workers, a backend, and load clients around them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import { show } from '../e2e/shop.ts';
import { site, terminatorOf, type Site } from '../e2e/site.ts';
import { startBackend, type Backend } from '../support/backend.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { startLoad, type Load, type LoadOptions } from '../support/load.ts';
import { groupProcesses, type ProcessInfo } from '../support/process-tree.ts';
import { until } from '../support/until.ts';

export const hosts = ['one.test', 'two.test'] as const;
export type Role = 'control' | 'terminator' | 'worker';

export interface Shop extends AsyncDisposable {
  readonly place: Site;
  readonly backend: Backend;
  readonly certplane: Certplane;
  readonly rootPem: string;
  /** Processes of the group now, in order of their pids. */
  processes(role: Role): ProcessInfo[];
  /** The one process of that role. */
  pid(role: 'control' | 'terminator'): number;
  /** Waits until another process than `before` has the role and answers. */
  replaced(role: 'control' | 'terminator', before: number): Promise<number>;
  /** Endless load, as a process of its own. */
  load(options: Pick<LoadOptions, 'mode'> & Partial<LoadOptions>): Load;
  /** Serial by host that a new handshake shows. */
  serials(): Promise<Record<string, string>>;
  /** What control holds. */
  certificates(): Promise<CertificateDetail[]>;
  /** How often something has been issued, as the history has it. */
  issuances(): Promise<number>;
}

export async function startShop(): Promise<Shop> {
  await using stack = new AsyncDisposableStack();
  const place = await site();
  const backend = stack.use(await startBackend());
  const certplane = stack.use(await startCertplane({ configYaml: configFor(place, backend.url) }));
  const shop: Omit<Shop, 'rootPem'> = {
    place,
    backend,
    certplane,
    processes: (role) => groupProcesses(certplane.pid).filter(({ args }) => roleOf(args) === role),
    pid: (role) => {
      const [found, ...more] = shop.processes(role);
      assert.ok(found !== undefined && more.length === 0, `one ${role} process`);
      return found.pid;
    },
    replaced: async (role, before) =>
      await until(
        async () => {
          const pid = shop.pid(role);
          return pid !== before && (await isReady(place, role)) && pid;
        },
        { timeoutMs: 20_000, what: `another ${role} that is ready` },
      ),
    load: (options) =>
      startLoad({ port: place.https, caPem: rootPem, servernames: hosts, concurrency: 2, pauseMs: 2, ...options }),
    serials: async () => {
      const found: Record<string, string> = {};
      for (const host of hosts) found[host] = await serialOf(place.https, host, rootPem);
      return found;
    },
    certificates: async () => await Promise.all(hosts.map(async (host) => await show(certplane, `file/${host.split('.')[0]}`))),
    issuances: async () => {
      const socketPath = join(certplane.dir, 'data', 'run', 'admin.sock');
      const { status, body } = await fetchOnce('http://admin/api/v1/history?kind=issued&limit=500', { socketPath });
      assert.equal(status, 200, body);
      return (JSON.parse(body) as { items: unknown[] }).items.length;
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
  await until(
    async () =>
      (await shop.certificates()).every(({ phase, delivery, servedBy }) => phase.state === 'ready' && delivery.state !== 'lagging' && servedBy.length > 0) &&
      (await isReady(place, 'terminator')),
    { timeoutMs: 30_000, what: 'both certificates served' },
  );
  const rootPem = await readFile(join(certplane.dir, 'data', 'ca', 'local.pem'), 'utf8');
  const parts = stack.move();
  return Object.assign(shop, { rootPem });
}
