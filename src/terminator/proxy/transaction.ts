import { STATUS_CODES } from 'node:http';
import type { Hsts, TlsPolicy } from '../../core/tls-policy.ts';
import type { CompiledRoute } from '../routing/compiled-route.ts';
import type { CompiledChanges } from '../routing/header-changes.ts';
import type { NoRoute, RouteTable } from '../routing/route-table.ts';
import type { BackendCall, BackendFailure, Backends } from '../upstream/backend.ts';
import type { Inbound, Outbound, Outcome } from './exchange.ts';
import { headerValue } from './headers.ts';
import { traceIdOf, type ExchangeRecord } from './record.ts';
import { ownHeaders, type AnswerRules } from './response-headers.ts';

/** The TLS policy of a host. */
export interface HostPolicy {
  /** Equal for hosts that may share a connection (`Connection.tls.policyId`). */
  readonly id: string;
  readonly tls: TlsPolicy;
}

/** What both fronts need. */
export interface FrontOptions {
  readonly backends: Backends;
  routes(): RouteTable;
  /** For any host, configured or not. */
  policyOf(host: string): HostPolicy;
  /** A tunnel without a byte in either direction; 0: no limit. */
  tunnelIdleMs(): number;
  onBackendFailure(backend: string, failure: BackendFailure, detail: string): void;
  /** Called when an exchange is over; without it nothing is measured. */
  readonly onExchange?: ((record: ExchangeRecord) => void) | undefined;
}

interface AnswerOptions {
  readonly headers?: readonly string[];
  readonly closing?: boolean;
}

/** One request on its way through the proxy, and what is known of it so far. */
export class Transaction implements AnswerRules {
  readonly inbound: Inbound;
  readonly outbound: Outbound;
  readonly options: FrontOptions;
  policy: TlsPolicy | undefined;
  route: CompiledRoute | undefined;
  /** For the record alone. */
  call: BackendCall | undefined;
  failure: BackendFailure | undefined;
  bytesIn = 0;
  /** Undefined: nobody wants a record. */
  readonly #startedAt: number | undefined;
  #firstByteAt: number | undefined;

  constructor(inbound: Inbound, outbound: Outbound, options: FrontOptions) {
    this.inbound = inbound;
    this.outbound = outbound;
    this.options = options;
    const { onExchange } = options;
    if (onExchange === undefined) return;
    const startedAt = performance.now();
    this.#startedAt = startedAt;
    outbound.onClose((outcome) => onExchange(this.#record(outcome, startedAt)));
  }

  get hsts(): Hsts | undefined {
    return this.policy?.hsts;
  }

  get responseChanges(): CompiledChanges | undefined {
    return this.route?.responseChanges;
  }

  backendAnswers(): void {
    if (this.#startedAt !== undefined) this.#firstByteAt ??= performance.now();
  }

  /**
   * A short answer of our own to a request whose body nobody has begun to read. `reason` shows nothing of the inside.
   * An HTTP/1.1 connection ends with it where another one would have got another answer.
   */
  refuse(status: number, reason: string, headers: readonly string[] = []): void {
    this.inbound.body?.discard();
    const text = `${status} ${STATUS_CODES[status] ?? ''}: ${reason}\n`;
    this.answer(status, text, { headers, closing: status === 421 });
  }

  /** `closing`: the rest of the request will not be read. */
  answer(status: number, text: string, { headers = [], closing = false }: AnswerOptions = {}): void {
    const { outbound, inbound } = this;
    const body = Buffer.from(text);
    const own = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(body.length), ...headers];
    outbound.head(status, '', ownHeaders(own, this), closing);
    if (inbound.method !== 'HEAD') outbound.write(body);
    outbound.end([]);
    outbound.flush();
  }

  refuseRoute(found: NoRoute): void {
    if (typeof found !== 'string') {
      this.refuse(405, 'no route for this method', ['allow', found.allow.join(', ')]);
      return;
    }
    const [status, reason] = routeRefusals[found];
    this.refuse(status, reason);
  }

  #record({ status, bytes, complete }: Outcome, startedAt: number): ExchangeRecord {
    const { connection, method, authority, host, target, version, headers } = this.inbound;
    const action = this.route?.action;
    return {
      connection,
      method,
      authority,
      host,
      target,
      version,
      headers,
      status,
      bytesIn: this.bytesIn,
      bytesOut: bytes,
      complete,
      durationMs: performance.now() - startedAt,
      backendMs: this.#firstByteAt === undefined ? undefined : this.#firstByteAt - startedAt,
      route: this.route?.name,
      backend: action?.kind === 'proxy' ? action.backend : undefined,
      endpoint: this.call?.endpoint,
      failure: this.failure,
      traceId: traceIdOf(headerValue(headers, 'traceparent')),
    };
  }
}

const routeRefusals: Readonly<Record<Extract<NoRoute, string>, readonly [status: number, reason: string]>> = {
  'unknown-host': [404, 'unknown host'],
  'no-route': [404, 'no route for this path'],
  'ambiguous-path': [400, 'the path can be read in two ways'],
  'path-too-long': [414, 'the path is too long for the routes of this host'],
  'refused-host': [503, 'a route of this host cannot be used'],
};
