/** Secure contexts by policy. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { toCertplaneError, type CertplaneError } from '../../core/errors.ts';
import type { InUse } from './certificates.ts';
import { decideTickets } from './node-tls.ts';
import type { ActivePolicy, ClientTrust } from './policy.ts';
import { PolicyTickets } from './ticket-keys.ts';

/** What a handshake runs in. */
export interface PolicyContext {
  readonly context: SecureContext;
  /** The context has the certificates already. */
  readonly complete: boolean;
}

interface PolicyState {
  /** Absent: sessions are not resumed. */
  readonly tickets: PolicyTickets | undefined;
  /** Everything but the certificate, which each connection is given on its own. */
  shared?: PolicyContext | CertplaneError;
  /**
   * By the first certificate, where one context has to have all: a connection can be given one certificate only, and
   * node takes the trusted CAs from where it takes the certificate.
   */
  readonly complete: WeakMap<InUse, readonly CompleteContext[]>;
}

interface CompleteContext {
  readonly second: InUse | undefined;
  readonly built: PolicyContext | CertplaneError;
}

/**
 * Half of the 24 hours for which a ticket key is known: a ticket made in its last hour of use can still be used for as
 * long as it says.
 */
const sessionTimeoutSeconds = 43_200;

/** Contexts are built when first used; what cannot be built is known and not tried again. */
export class PolicyContexts {
  readonly #states = new Map<string, PolicyState>();
  #masters: readonly Buffer[];

  /** At least one key. */
  constructor(masters: readonly Buffer[]) {
    this.#masters = masters;
  }

  /** The error is what the TLS library has against the policy. */
  of(policy: ActivePolicy, certificates: readonly InUse[]): PolicyContext | CertplaneError {
    const state = this.#stateOf(policy);
    const [first, second] = certificates;
    if (first === undefined || (policy.client === undefined && second === undefined))
      return (state.shared ??= build(policy, state.tickets, []));
    const known = state.complete.get(first) ?? [];
    const found = known.find((one) => one.second === second);
    if (found !== undefined) return found.built;
    const built = build(policy, state.tickets, certificates);
    // A second one that has been replaced is not held on to.
    const others = known.filter((one) => one.second?.slot !== second?.slot);
    state.complete.set(first, [...others, { second, built }]);
    return built;
  }

  /** At least one; in effect with the next ticket. */
  setTicketKeys(masters: readonly Buffer[]): void {
    this.#masters = masters;
    for (const { tickets } of this.#states.values()) tickets?.use(masters);
  }

  /** Forgets the policies that nothing asks for any more. */
  retain(ids: ReadonlySet<string>): void {
    for (const id of this.#states.keys()) if (!ids.has(id)) this.#states.delete(id);
  }

  #stateOf({ id, tls }: ActivePolicy): PolicyState {
    let state = this.#states.get(id);
    if (state === undefined) {
      const tickets = tls.sessionTickets ? new PolicyTickets(this.#masters, id) : undefined;
      state = { tickets, complete: new WeakMap() };
      this.#states.set(id, state);
    }
    return state;
  }
}

function build(
  policy: ActivePolicy,
  tickets: PolicyTickets | undefined,
  certificates: readonly InUse[],
): PolicyContext | CertplaneError {
  try {
    const context = createSecureContext({
      ...optionsOf(policy),
      cert: certificates.map(({ bundle }) => bundle.chainPem),
      key: certificates.map(({ bundle }) => bundle.keyPem),
    });
    if (tickets !== undefined) decideTickets(context, tickets.onTicket);
    return { context, complete: certificates.length > 0 };
  } catch (error) {
    return toCertplaneError(error, 'terminator.policy-unusable');
  }
}

function optionsOf({ id, tls, client }: ActivePolicy): SecureContextOptions {
  return {
    // Without `ca`, node would load the system's roots, which nobody asks here.
    ca: client?.ca ?? [],
    // Whatever stands in the CA file is trusted, an intermediate CA without its root, too.
    allowPartialTrustChain: true,
    ...(client?.crl === undefined ? {} : { crl: splitRevocationLists(client) }),
    minVersion: tls.minVersion,
    ...(tls.ciphers.length === 0 ? {} : { ciphers: tls.ciphers.join(':') }),
    ecdhCurve: tls.curves.join(':'),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (tls.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
    // Set because node would derive it from the command line, which differs between processes.
    sessionIdContext: id,
    sessionTimeout: sessionTimeoutSeconds,
  };
}

const crlBlock = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;

/** Node reads only the first list of a text. */
function splitRevocationLists({ crl = '' }: ClientTrust): string[] {
  return crl.match(crlBlock) ?? [crl];
}
