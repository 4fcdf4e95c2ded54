/** What happens to a request that came over https: path, host, connection, route. */
import { wildcardFor } from '../../core/names.ts';
import { readPath } from '../routing/request-path.ts';
import type { Connection, Inbound, Outbound } from './exchange.ts';
import { serve } from './serve.ts';
import { Transaction, type FrontOptions, type HostPolicy } from './transaction.ts';

export class HttpsFront {
  readonly #options: FrontOptions;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  handle(inbound: Inbound, outbound: Outbound): void {
    const transaction = new Transaction(inbound, outbound, this.#options);
    const { host, target, connection } = inbound;
    const hostPolicy = this.#options.policyOf(host);
    transaction.policy = hostPolicy.tls;
    const path = readPath(target);
    if (typeof path === 'string') {
      transaction.refuse(400, path);
      return;
    }
    const found = this.#options.routes().find(host, path, inbound);
    if (found === 'unknown-host') {
      transaction.refuseRoute(found);
      return;
    }
    const misdirected = this.#misdirection(connection, host, hostPolicy);
    if (misdirected !== undefined) transaction.refuse(421, misdirected);
    else if (typeof found === 'string' || 'allow' in found) transaction.refuseRoute(found);
    else serve(transaction, found, path);
  }

  /**
   * Why a host may not be asked for on a connection (RFC 9110 §15.5.20): clients reuse an HTTP/2 connection for every
   * host its certificate seems to cover, and anybody may ask for another host than the one the handshake was for. What
   * the handshake has settled, client certificates above all, holds for the hosts of its policy alone (never §5.13).
   */
  #misdirection({ tls }: Connection, host: string, policy: HostPolicy): string | undefined {
    const asksWho = policy.tls.clientCertificates !== undefined;
    if (tls === undefined) return asksWho ? 'nothing is known of the client of this connection' : undefined;
    const names = tls.certificateNames;
    if (!names.includes(host) && !names.includes(wildcardFor(host) ?? ''))
      return 'the certificate of this connection is for another host';
    if (tls.policyId === policy.id) return undefined;
    // Settings may have changed since the handshake: open connections go on, unless it is about who the client is.
    if (!asksWho && tls.serverName !== undefined && this.#options.policyOf(tls.serverName).id === policy.id)
      return undefined;
    return 'the TLS settings of this host ask for a connection of its own';
  }
}
