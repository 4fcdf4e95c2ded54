/** What happens to a request that came over https: host, certificate, route, action. */
import type { Duplex } from 'node:stream';
import { namesCover } from '../../core/names.ts';
import type { Route } from '../../core/route.ts';
import type { RouteTable } from '../routing/route-table.ts';
import type { BackendPools } from '../upstream/pool.ts';
import type { BackendFailure } from '../upstream/connection.ts';
import { answer, type Inbound, type Outbound } from './exchange.ts';
import { forward } from './forward.ts';
import { refuse } from './http1.ts';
import { tunnel } from './web-socket.ts';

export interface HttpsFrontOptions {
  readonly pools: BackendPools;
  routes(): RouteTable;
  backendIdleMs(): number;
  onBackendFailure(origin: string, failure: BackendFailure, detail: string): void;
  onFinished(inbound: Inbound, status: number): void;
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

  handle(inbound: Inbound, outbound: Outbound, lowerCase: boolean): void {
    const route = this.#route(inbound);
    if ('status' in route) {
      inbound.body.resume();
      const words = route.status === 421 ? 'Misdirected Request' : 'Not Found';
      answer(outbound, route.status, `${route.status} ${words}: ${route.reason}\n`);
      return;
    }
    const { action } = route;
    if (action.kind === 'respond') {
      inbound.body.resume();
      respond(inbound, outbound, action);
      return;
    }
    forward(inbound, outbound, this.#options.pools.of(action.origin), {
      backendIdleMs: this.#options.backendIdleMs(),
      lowerCase,
      onBackendFailure: (failure, detail) => this.#options.onBackendFailure(action.origin, failure, detail),
    });
  }

  upgrade(inbound: Inbound, socket: Duplex, head: Buffer): void {
    const route = this.#route(inbound);
    const onFinished = (status: number): void => this.#options.onFinished(inbound, status);
    if ('status' in route) {
      onFinished(route.status);
      refuse(socket, route.status, route.reason);
    } else if (route.action.kind === 'respond') {
      onFinished(400);
      refuse(socket, 400, 'this address does not speak WebSocket');
    } else {
      const { origin } = route.action;
      tunnel(inbound, { socket, head }, this.#options.pools.of(origin), {
        backendIdleMs: this.#options.backendIdleMs(),
        onBackendFailure: (failure, detail) => this.#options.onBackendFailure(origin, failure, detail),
        onFinished,
      });
    }
  }

  #route({ host, target, certificateNames }: Inbound): Route | NoRoute {
    const found = this.#options.routes().find(host, target);
    if (found === 'unknown-host') return { status: 404, reason: 'unknown host' };
    // RFC 9110 §15.5.20: HTTP/2 clients reuse a connection for every host its certificate seems to cover.
    if (certificateNames !== undefined && !namesCover(certificateNames, host)) {
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
}
