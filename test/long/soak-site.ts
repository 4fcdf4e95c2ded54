/** The site of the soak test: what it serves, and the clients that use it. */
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { show } from '../e2e/shop.ts';
import { terminatorOf, type Site } from '../e2e/site.ts';
import type { Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import type { LoadOptions } from '../support/load.ts';
import { until } from '../support/until.ts';

const megabyte = 1_048_576;
/** One certificate each; all of them are replaced again and again. */
export const hosts = Array.from({ length: 12 }, (_, index) => `c${index}.test`);
export const steadyHosts = hosts.slice(0, 11);
/** Its backend restarts; that of all others is always there. */
export const restartingHost = 'c11.test';

export interface Kind {
  readonly options: Omit<LoadOptions, 'port' | 'servernames'>;
  readonly restarts?: boolean;
}

/** All of them go on until the end, so that what they ask of the processes stays the same. */
export const kinds: readonly Kind[] = [
  { options: { mode: 'keepalive', concurrency: 6, requestsPerConnection: 300, bodyBytes: 300 } },
  { options: { mode: 'h2', concurrency: 10, connections: 3, requestsPerConnection: 300 } },
  { options: { mode: 'new', concurrency: 1, pauseMs: 10 } },
  { options: { mode: 'new', concurrency: 1, pauseMs: 10, resume: true } },
  { options: { mode: 'websocket', concurrency: 4, pauseMs: 10 } },
  { options: { mode: 'keepalive', concurrency: 1, bodyBytes: megabyte, pauseMs: 50 } },
  {
    options: {
      mode: 'h2',
      concurrency: 1,
      pauseMs: 50,
      path: `/bytes?n=${megabyte}`,
      verify: { status: 200, bodyIncludes: 'b'.repeat(10_000) },
    },
  },
  { restarts: true, options: { mode: 'keepalive', concurrency: 2, requestsPerConnection: 200, pauseMs: 10 } },
];

/** Every certificate, seen through to the terminator. */
export async function rotateAll(certplane: Certplane): Promise<void> {
  const socketPath = join(certplane.dir, 'data', 'run', 'admin.sock');
  const ids = hosts.map((host) => `file/${host}`);
  const before = await Promise.all(ids.map(async (id) => (await show(certplane, id)).version ?? 0));
  for (const id of ids) {
    const address = `http://admin/api/v1/certificates/${encodeURIComponent(id)}/renew`;
    const asked = await fetchOnce(address, { method: 'POST', socketPath });
    assert.equal(asked.status, 202, asked.body);
  }
  for (const [i, id] of ids.entries()) {
    await until(
      async () => {
        const { phase, delivery, version } = await show(certplane, id);
        return phase.state === 'ready' && delivery.state === 'delivered' && version === (before[i] ?? 0) + 1;
      },
      { what: `the rotation of ${id}`, timeoutMs: 60_000, everyMs: 50 },
    );
  }
}

/** Deadlines for slow clients are short, so that many of them reach theirs. */
export function configFor(place: Site, steadyUrl: string, otherUrl: string): string {
  return `${place.base}
issuers:
  local: { ca: {} }
defaults: { issuers: [local] }
certificates:
${hosts.map((host) => `  ${host}: { dnsNames: [${host}], lifetime: 90d }`).join('\n')}
${terminatorOf(place)}
  timeouts: { handshake: 5s, header: 4s, body: 4s, drain: 3s }
  routes:
    - { hosts: [${steadyHosts.join(', ')}], backend: '${steadyUrl}' }
    - { hosts: [${restartingHost}], backend: '${otherUrl}' }
`;
}
