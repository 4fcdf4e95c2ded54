/** The http listener: answers http-01, and otherwise leads to https where a good certificate stands (RFC 8555 §8.3, RFC 9110 §15.4.9). */
import type { CompiledRoute } from '../routing/compiled-route.ts';
import type { NoRoute } from '../routing/route-table.ts';
import { readPath, type RequestPath } from '../routing/request-path.ts';
import type { Inbound, Outbound } from './exchange.ts';
import { headerValue } from './headers.ts';
import { serve } from './serve.ts';
import { Transaction, type FrontOptions } from './transaction.ts';

const challengePrefix = '/.well-known/acme-challenge/';

const final: ReadonlySet<NoRoute> = new Set<NoRoute>(['unknown-host', 'ambiguous-path', 'path-too-long']);

/** When what serves a host is valid, milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface PlainFrontOptions extends FrontOptions {
  /** Of the certificate that serves a host; undefined when none does. */
  validityOf(host: string): Promise<Validity | undefined>;
  /** Token to key authorization. */
  readonly challenges: ReadonlyMap<string, string>;
  /** Where https is; undefined when it is not served. */
  httpsPort(): number | undefined;
}

export class PlainFront {
  readonly #options: PlainFrontOptions;

  constructor(options: PlainFrontOptions) {
    this.#options = options;
  }

  /** Rejects only when the certificate cannot be asked for; then nothing has been answered. */
  async handle(inbound: Inbound, outbound: Outbound): Promise<void> {
    const transaction = new Transaction(inbound, outbound, this.#options);
    const path = readPath(inbound.target);
    if (typeof path === 'string') {
      transaction.refuse(400, path);
    } else if (path.path.startsWith(challengePrefix)) {
      this.#answerChallenge(transaction, path.path.slice(challengePrefix.length));
    } else {
      const routes = this.#options.routes();
      const found = routes.find(inbound.host, path, inbound);
      if (typeof found === 'string' || 'allow' in found) {
        // Over https it may be another answer, unless the host is not there at all, or the request itself is at fault.
        if (routes.leadsToHttps(inbound.host) && !final.has(found)) await this.#leadToHttps(transaction, path);
        else transaction.refuseRoute(found);
      } else if (this.#servesHere(inbound, found)) serve(transaction, found, path);
      else await this.#leadToHttps(transaction, path);
    }
  }

  #answerChallenge(transaction: Transaction, token: string): void {
    const keyAuthorization = this.#options.challenges.get(token);
    if (keyAuthorization === undefined) transaction.refuse(404, 'no such challenge');
    else {
      transaction.inbound.body?.discard();
      transaction.answer(200, keyAuthorization);
    }
  }

  /** Where the route says so, or a trusted proxy that the client has come to it over https; never where a client certificate is asked for. */
  #servesHere({ host, headers, connection }: Inbound, { http, action }: CompiledRoute): boolean {
    if (action.kind === 'tcp' || action.kind === 'passthrough') return true; // which says that it is not served
    if (this.#options.policyOf(host).tls.clientCertificates !== undefined) return false;
    if (http === 'serve') return true;
    return connection.trusted && headerValue(headers, 'x-forwarded-proto')?.toLowerCase() === 'https';
  }

  async #leadToHttps(transaction: Transaction, { path, query }: RequestPath): Promise<void> {
    const { host } = transaction.inbound;
    const port = this.#options.httpsPort();
    const validity = await this.#options.validityOf(host);
    const now = Date.now();
    if (port === undefined || validity === undefined) unavailable(transaction, 'no certificate for this host yet', 10);
    else if (validity.notBefore > now) unavailable(transaction, 'the certificate is not valid yet', 10);
    else if (validity.notAfter <= now) unavailable(transaction, 'the certificate has expired', 30);
    else {
      const location = `https://${host}${port === 443 ? '' : `:${port}`}${path === '*' ? '/' : path}${query}`;
      transaction.refuse(308, location, ['location', location]);
    }
  }
}

/** Never to a page that a browser would warn about: better to wait. */
function unavailable(transaction: Transaction, reason: string, retryAfterSeconds: number): void {
  transaction.refuse(503, reason, ['retry-after', String(retryAfterSeconds)]);
}
