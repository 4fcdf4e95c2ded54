/** /metrics, /livez and /readyz: the same small server in control and in the terminator's supervisor. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import { formatAddress, isLoopback } from '../core/listen-address.ts';
import { hostOfAuthority, namesCover } from '../core/names.ts';
import type { ListenAddress } from '../core/terminator.ts';

export interface MetricsServerOptions {
  /** Port 0: any free one. */
  readonly listen: ListenAddress;
  /** Names that routes serve: /metrics answers to them on loopback, too. */
  readonly hosts: () => Iterable<string>;
  readonly registry: Pick<Registry, 'metrics' | 'contentType'>;
  /** Whether the process does its job now; /readyz answers 503 while it does not. */
  readonly ready: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface MetricsServer extends Part {
  /** `http://127.0.0.1:9402`, once started. */
  readonly address: string;
}

const refusal = 'Metrics on loopback answer to localhost, to addresses and to the hosts of routes, not to this host.\n';
/** Collecting 10,000 series takes tens of milliseconds; this is slow enough to tell somebody. */
const slowCollectionMs = 5_000;

/**
 * `start` throws `terminator.address-in-use` and `terminator.address-forbidden`. Scrapes that overlap share one
 * collection. Stopping cuts open connections.
 */
export function createMetricsServer(options: MetricsServerOptions): MetricsServer {
  const { listen, hosts, registry, ready, clock, log } = options;
  let collecting: Promise<string> | undefined;
  let closing: Promise<void> | undefined;
  let boundPort = listen.port;
  const stopping = new AbortController();
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000, maxHeaderSize: 8_192 }, handle);

  async function collect(): Promise<string> {
    const startedAt = clock.now();
    const text = await registry.metrics();
    const tookMs = clock.now() - startedAt;
    if (tookMs > slowCollectionMs) log.warn('Collecting metrics is slow.', { tookMs });
    return text;
  }

  /**
   * Whoever reaches loopback is meant to; a page in a browser is not, and reaches it under a name of its own that
   * resolves to loopback (DNS rebinding). It cannot do so under an address, or under a name that is configured here.
   */
  function answersTo(authority: string | undefined): boolean {
    // Every browser sends one; old programs may not (HTTP/1.0).
    if (authority === undefined || !isLoopback(listen.host)) return true;
    const host = hostOfAuthority(authority);
    if (host === undefined) return false;
    return isLoopback(host) || isIP(host) > 0 || host === listen.host.toLowerCase() || namesCover(hosts(), host);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return reply(response, 405, 'Only GET is answered here.\n');
    switch (request.url?.split('?', 1)[0]) {
      case '/livez':
        return reply(response, 200, 'alive\n');
      case '/readyz':
        return ready() ? reply(response, 200, 'ready\n') : reply(response, 503, 'not ready\n');
      case '/metrics':
        if (!answersTo(request.headers.host)) return reply(response, 403, refusal);
        collecting ??= collect().finally(() => (collecting = undefined));
        return reply(response, 200, await collecting, registry.contentType);
      default:
        return reply(response, 404, 'There is /metrics, /livez and /readyz.\n');
    }
  }

  function handle(request: IncomingMessage, response: ServerResponse): void {
    answer(request, response).catch((error: unknown) => {
      log.error('Metrics could not be collected.', { error });
      if (!response.headersSent) reply(response, 500, 'Metrics could not be collected; the log has the details.\n');
      else response.destroy();
    });
  }

  async function close(): Promise<void> {
    stopping.abort();
    if (server.listening) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }
    // A scrape that was being collected ends before stop does; whether it succeeded matters to nobody any more.
    if (collecting !== undefined) await Promise.allSettled([collecting]);
  }
  const dispose = async (): Promise<void> => await (closing ??= close());

  return {
    get address() {
      return `http://${formatAddress({ ...listen, port: boundPort })}`;
    },
    async start(signal) {
      AbortSignal.any([signal, stopping.signal]).throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        server.once('error', (cause) => reject(listenError(cause, listen)));
        server.listen({ host: listen.host, port: listen.port }, resolve);
      });
      boundPort = (server.address() as AddressInfo).port;
      server.on('error', (error) => log.error('The metrics server has a problem.', { error }));
      signal.addEventListener('abort', () => void dispose(), { once: true });
      if (!signal.aborted) return;
      await dispose();
      signal.throwIfAborted();
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function reply(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}

function listenError(cause: NodeJS.ErrnoException, listen: ListenAddress): Error {
  const place = formatAddress(listen);
  if (cause.code === 'EADDRINUSE') {
    const message = `The metrics address ${place} is already in use. Stop the other program, or change metrics.listen.`;
    return new CertplaneError('terminator.address-in-use', message, { cause });
  }
  if (cause.code === 'EACCES' || cause.code === 'EADDRNOTAVAIL') {
    const message = `The metrics address ${place} cannot be opened (${cause.code}). Change metrics.listen.`;
    return new CertplaneError('terminator.address-forbidden', message, { cause });
  }
  return cause;
}
