/** What happens to a request that came over https: host, certificate, route, action. */
import { namesCover } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { BackendFailure, Backends } from '../upstream/backend.ts';
import { answer, type Inbound, type Outbound } from './exchange.ts';
import { forward } from './forward.ts';

export interface HttpsFrontOptions {
  readonly backends: Backends;
  routes(): RouteTable;
  onBackendFailure(backend: string, failure: BackendFailure, detail: string): void;
}

interface NoRoute {
  readonly status: 404 | 421;
  readonly reason: string;
}

export class HttpsFront {
  readonly #options: HttpsFrontOptions;

  constructor(options: HttpsFrontOptions) {
    this.#options = options;
  }

  handle(inbound: Inbound, outbound: Outbound): void {
    const route = this.#route(inbound);
    if ('status' in route) {
      inbound.body?.discard();
      const words = route.status === 421 ? 'Misdirected Request' : 'Not Found';
      answer(outbound, route.status, `${route.status} ${words}: ${route.reason}\n`);
      return;
    }
    const { action } = route;
    if (action.kind === 'respond') {
      inbound.body?.discard();
      respond(inbound, outbound, action);
    } else if (action.kind === 'proxy') {
      const { backends, onBackendFailure } = this.#options;
      const { backend } = action;
      forward(inbound, outbound, {
        backends,
        backend,
        onBackendFailure: (failure, detail) => onBackendFailure(backend, failure, detail),
      });
    } else {
      inbound.body?.discard();
      answer(outbound, 404, '404 Not Found: not reached over HTTP\n');
    }
  }

  #route({ host, target, connection }: Inbound): Route | NoRoute {
    const found = this.#options.routes().find(host, target);
    if (found === 'unknown-host') return { status: 404, reason: 'unknown host' };
    // RFC 9110 §15.5.20: HTTP/2 clients reuse a connection for every host its certificate seems to cover.
    if (connection.tls !== undefined && !namesCover(connection.tls.certificateNames, host)) {
      return { status: 421, reason: 'the certificate of this connection is for another host' };
    }
    return found === 'no-route' ? { status: 404, reason: 'no route for this path' } : found;
  }
}

function respond(inbound: Inbound, outbound: Outbound, action: Extract<Route['action'], { kind: 'respond' }>): void {
  const headers = Object.entries(action.headers).flatMap(([name, value]) => [name.toLowerCase(), value]);
  const bodyless = action.status === 204 || action.status === 304;
  const body = Buffer.from(action.body);
  if (!bodyless) {
    if (!headers.includes('content-type')) headers.push('content-type', 'text/plain; charset=utf-8');
    headers.push('content-length', String(body.length));
  }
  outbound.head(action.status, '', headers, false);
  if (!bodyless && body.length > 0 && inbound.method !== 'HEAD') outbound.write(body);
  outbound.end([]);
  outbound.flush();
}
