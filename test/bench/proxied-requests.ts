/** CPU time of the server's processes per small proxied request: HTTP/1.1 keep-alive, HTTP/2, and a connection per request. */
import { startBackend } from '../support/backend.ts';
import { startLoad, type LoadOptions } from '../support/load.ts';
import { startNginx } from '../support/nginx.ts';
import { freePort } from '../support/ports.ts';
import { TestCa } from '../support/test-ca.ts';
import { benchSite, host } from './bench-site.ts';
import { cpuMicrosOf, median, withChildren } from './cpu.ts';
import type { Row } from './run.ts';

const kinds: readonly { work: string; load: Pick<LoadOptions, 'mode' | 'total' | 'concurrency' | 'connections'> }[] = [
  { work: 'HTTP/1.1 keep-alive, small proxied GET', load: { mode: 'keepalive', total: 6_000, concurrency: 8 } },
  {
    work: 'HTTP/2, 8 connections x 8 streams, small proxied GET',
    load: { mode: 'h2', total: 6_000, concurrency: 64, connections: 8 },
  },
  { work: 'new connection, full handshake, one proxied GET', load: { mode: 'new', total: 1_500, concurrency: 8 } },
];

interface Server {
  readonly port: number;
  readonly caPem: string;
  readonly pids: () => readonly number[];
}

export async function proxiedRequests(rounds: number): Promise<Row[]> {
  await using backend = await startBackend();
  await using ours = await benchSite(backend.url, 1);
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dnsNames: [host] });
  const port = await freePort();
  await using nginx = await startNginx({
    port,
    files: { 'chain.pem': leaf.fullchainPem, 'key.pem': leaf.keyPem },
    http: `upstream backend { server 127.0.0.1:${backend.port}; keepalive 32; }
server {
  listen 127.0.0.1:${port} ssl http2;
  ssl_certificate chain.pem; ssl_certificate_key key.pem; ssl_session_tickets off;
  keepalive_requests 1000000;
  location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
}`,
  });
  const servers: Record<'ours' | 'theirs', Server> = {
    ours: { port: ours.place.https, caPem: ours.caPem, pids: ours.serving },
    theirs: {
      port,
      caPem: ca.certPem,
      pids: () => withChildren(nginx.process.pid),
    },
  };
  const rows: Row[] = [];
  for (const { work, load } of kinds) {
    const costs: Record<'ours' | 'theirs', number[]> = { ours: [], theirs: [] };
    // The first round warms both up and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const side of round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
        const cost = await measure(servers[side], load);
        if (round > 0) costs[side].push(cost);
      }
    }
    const ratios = costs.ours.map((cost, i) => cost / (costs.theirs[i] as number));
    rows.push({
      work: `${work}: CPU per request`,
      ours: `${median(costs.ours).toFixed(0)} µs`,
      theirs: `nginx ${median(costs.theirs).toFixed(0)} µs`,
      ratio: median(ratios).toFixed(2),
    });
  }
  return rows;
}

async function measure({ port, caPem, pids }: Server, load: Pick<LoadOptions, 'mode' | 'total'>): Promise<number> {
  const before = cpuMicrosOf(pids());
  await using client = startLoad({ ...load, port, caPem, servernames: [host] });
  const summary = await client.finished();
  if (summary.failures > 0)
    throw new Error(`${summary.failures} requests failed: ${JSON.stringify(client.failures[0])}`);
  return (cpuMicrosOf(pids()) - before) / summary.requests;
}
