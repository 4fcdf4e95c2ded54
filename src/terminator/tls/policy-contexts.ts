/** One secure context per policy: everything but the certificate, which each connection is given on its own. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { toCertplaneError, type CertplaneError } from '../../core/errors.ts';
import { setTicketKeys } from './node-tls.ts';
import type { ActivePolicy, ClientTrust } from './policy.ts';
import { deriveTicketKeys } from './ticket-keys.ts';

export interface PolicyContext {
  readonly context: SecureContext;
  /** The policy's own, the first one encrypts; empty: sessions are not resumed. */
  ticketKeys: readonly Buffer[];
}

/**
 * Half of the 24 hours for which a ticket key is known: a ticket made in its last hour of use can still be used for as
 * long as it says.
 */
const sessionTimeoutSeconds = 43_200;

/** Built when first used; a policy whose context cannot be built stays without one. */
export class PolicyContexts {
  readonly #built = new Map<string, PolicyContext | CertplaneError>();
  #masters: readonly Buffer[];

  constructor(masters: readonly Buffer[]) {
    this.#masters = masters;
  }

  /** The error is what the TLS library has against the policy; it is known once, and not tried again. */
  of(policy: ActivePolicy): PolicyContext | CertplaneError {
    let built = this.#built.get(policy.id);
    if (built === undefined) {
      built = this.#build(policy);
      this.#built.set(policy.id, built);
    }
    return built;
  }

  /** Open connections and their sessions stay as they are. */
  setTicketKeys(masters: readonly Buffer[]): void {
    this.#masters = masters;
    for (const [id, built] of this.#built) {
      if (built instanceof Error || built.ticketKeys.length === 0) continue;
      built.ticketKeys = deriveTicketKeys(masters, id);
      setTicketKeys(built.context, built.ticketKeys[0] as Buffer);
    }
  }

  /** Forgets the policies that nothing asks for any more. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of this.#built.keys()) if (!ids.has(id)) this.#built.delete(id);
  }

  #build(policy: ActivePolicy): PolicyContext | CertplaneError {
    const ticketKeys = policy.tls.sessionTickets ? deriveTicketKeys(this.#masters, policy.id) : [];
    try {
      return { context: createPolicyContext(policy, ticketKeys[0]), ticketKeys };
    } catch (error) {
      return toCertplaneError(error, 'terminator.policy-unusable');
    }
  }
}

function createPolicyContext({ id, tls, client }: ActivePolicy, ticketKeys: Buffer | undefined): SecureContext {
  const tickets = ticketKeys === undefined ? constants.SSL_OP_NO_TICKET : 0;
  return createSecureContext({
    ca: client === undefined ? [] : client.ca,
    ...(client?.crl === undefined ? {} : { crl: splitRevocationLists(client) }),
    minVersion: tls.minVersion,
    ...(tls.ciphers.length === 0 ? {} : { ciphers: tls.ciphers.join(':') }),
    ecdhCurve: tls.curves.join(':'),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | tickets,
    // Set because node would derive it from the command line, which differs between processes.
    sessionIdContext: id,
    sessionTimeout: sessionTimeoutSeconds,
    ...(ticketKeys === undefined ? {} : { ticketKeys }),
  });
}

const crlBlock = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;

/** Node reads only the first list of a text. */
function splitRevocationLists({ crl = '' }: ClientTrust): string[] {
  return crl.match(crlBlock) ?? [crl];
}
