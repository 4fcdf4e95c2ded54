/** The http listener: answers http-01, and otherwise leads to https where a good certificate stands (RFC 8555 §8.3, RFC 9110 §15.4.9). */
import type { RouteTable } from '../routing/route-table.ts';
import type { WorkerCertificates } from '../tls/certificates.ts';
import { answer, type Inbound, type Outbound } from './exchange.ts';

const challengePrefix = '/.well-known/acme-challenge/';

export interface PlainFrontOptions {
  readonly certificates: WorkerCertificates;
  /** Token to key authorization. */
  readonly challenges: ReadonlyMap<string, string>;
  routes(): RouteTable;
  /** Where https is; undefined when it is not served. */
  httpsPort(): number | undefined;
}

export async function answerPlain(inbound: Inbound, outbound: Outbound, options: PlainFrontOptions): Promise<void> {
  const { host, target } = inbound;
  inbound.body?.discard();
  if (target.startsWith(challengePrefix)) {
    const keyAuthorization = options.challenges.get(target.slice(challengePrefix.length));
    if (keyAuthorization === undefined) answer(outbound, 404, '404 Not Found: no such challenge\n');
    else answer(outbound, 200, keyAuthorization);
    return;
  }
  if (!options.routes().knows(host)) {
    answer(outbound, 404, '404 Not Found: unknown host\n');
    return;
  }
  const port = options.httpsPort();
  const state = await options.certificates.describe(host);
  const now = Date.now();
  if (port === undefined || state === undefined) unavailable(outbound, 'no certificate for this host yet', 10);
  else if (state.notBefore > now) unavailable(outbound, 'the certificate is not valid yet', 10);
  else if (state.notAfter <= now) unavailable(outbound, 'the certificate has expired', 30);
  else {
    const location = `https://${host}${port === 443 ? '' : `:${port}`}${target === '*' ? '/' : target}`;
    answer(outbound, 308, `308 Permanent Redirect: ${location}\n`, ['location', location]);
  }
}

/** Never to a page that a browser would warn about: better to wait. */
function unavailable(outbound: Outbound, reason: string, retryAfterSeconds: number): void {
  answer(outbound, 503, `503 Service Unavailable: ${reason}\n`, ['retry-after', String(retryAfterSeconds)]);
}
