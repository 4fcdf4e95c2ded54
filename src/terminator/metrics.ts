/** What a terminator counts, for Prometheus. Counted in the workers, added up here. */
import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Registry } from 'prom-client';
import type { ListenAddress } from '../core/route.ts';
import { bindError } from './pool/bound-socket.ts';
import type { WorkerCounters } from './ipc/messages.ts';

/** Read at the moment somebody asks. */
export interface MetricsView {
  connections(): number;
  workers(): number;
  certificates(): number;
  /** Problem codes now, with how many there are of each. */
  problems(): ReadonlyMap<string, number>;
  /** Seconds since the oldest change that not every worker has in effect; 0 when all have. */
  lagSeconds(): number;
  feedConnected(): boolean;
}

export interface TerminatorMetrics {
  readonly registry: Registry;
  count(counters: WorkerCounters): void;
  rotated(): void;
  workerRestarted(): void;
}

export function createTerminatorMetrics(view: MetricsView): TerminatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
    new Counter({ name: `certplane_terminator_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string, read: () => number): void => {
    const made: Gauge = new Gauge({
      name: `certplane_terminator_${name}`,
      help,
      registers,
      collect: () => made.set(read()),
    });
  };
  const requests = counter('requests_total', 'Requests answered, by protocol and class of status.', [
    'protocol',
    'status',
  ]);
  const handshakes = counter('handshakes_total', 'TLS handshakes: ok, resumed, or the reason why not.', ['result']);
  const backendFailures = counter(
    'backend_failures_total',
    'Requests a backend did not answer completely, by reason.',
    ['reason'],
  );
  const rotations = counter('rotations_total', 'Certificate versions put in the place of another one.');
  const restarts = counter('worker_restarts_total', 'Workers that ended unexpectedly.');
  gauge('connections', 'Open client connections.', () => view.connections());
  gauge('workers', 'Worker processes.', () => view.workers());
  gauge('certificates', 'Certificates that answer for at least one name.', () => view.certificates());
  gauge('feed_connected', '1 while the feed of the control process can be read.', () => Number(view.feedConnected()));
  gauge('feed_lag_seconds', 'Age of the oldest change that not every worker has in effect.', () => view.lagSeconds());
  const problems: Gauge<'code'> = new Gauge({
    name: 'certplane_terminator_problems',
    help: 'What is wrong now, by code.',
    labelNames: ['code'],
    registers,
    collect: () => {
      problems.reset();
      for (const [code, number] of view.problems()) problems.set({ code }, number);
    },
  });
  return {
    registry,
    count: (counters) => {
      for (const [key, number] of Object.entries(counters.requests)) {
        const [protocol = '', status = ''] = key.split(' ');
        requests.inc({ protocol, status }, number);
      }
      for (const [result, number] of Object.entries(counters.handshakes)) handshakes.inc({ result }, number);
      for (const [reason, number] of Object.entries(counters.backendFailures)) backendFailures.inc({ reason }, number);
    },
    rotated: () => rotations.inc(),
    workerRestarted: () => restarts.inc(),
  };
}

interface MetricsServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves /metrics, /livez (200 while the process runs) and /readyz (200 when it listens and has certificates, else 503).
 * Rejects with `terminator.address-in-use` or `terminator.address-forbidden`.
 */
async function createMetricsServer(options: {
  readonly listen: ListenAddress;
  readonly registry: Registry;
  readonly ready: () => boolean;
}): Promise<MetricsServer> {
  const { listen, registry, ready } = options;
  const server = createServer({ requestTimeout: 5_000 }, (request, response) => {
    const path = request.url?.split('?')[0];
    const reply = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') reply(405, 'only GET\n');
    else if (path === '/livez') reply(200, 'ok\n');
    else if (path === '/readyz') reply(ready() ? 200 : 503, ready() ? 'ok\n' : 'not ready\n');
    else if (path === '/metrics') {
      registry.metrics().then(
        (text) => reply(200, text, registry.contentType),
        () => reply(500, 'metrics cannot be collected\n'),
      );
    } else reply(404, 'not found\n');
  });
  await open(server, listen);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : listen.port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => void server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The metrics address that settings name, which may change. */
export class MetricsAddress implements AsyncDisposable {
  readonly #registry: Registry;
  readonly #ready: () => boolean;
  #server: MetricsServer | undefined;
  #key = '';

  constructor(registry: Registry, ready: () => boolean) {
    this.#registry = registry;
    this.#ready = ready;
  }

  get port(): number | undefined {
    return this.#server?.port;
  }

  /** Moves there; does nothing when it is there already. Rejects as `createMetricsServer` does, and tries anew when called again. */
  async serve(listen: ListenAddress | undefined): Promise<void> {
    const key = listen === undefined ? '' : `${listen.host} ${listen.port}`;
    if (key === this.#key) return;
    await this[Symbol.asyncDispose]();
    if (listen === undefined) return;
    this.#server = await createMetricsServer({ listen, registry: this.#registry, ready: this.#ready });
    this.#key = key;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#key = '';
    await server?.[Symbol.asyncDispose]();
  }
}

async function open(server: Server, listen: ListenAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error.code ?? 'unknown', listen)));
  server.listen({ host: listen.host, port: listen.port }, resolve);
  await promise;
}
