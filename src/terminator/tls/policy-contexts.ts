/** Secure contexts: one for each certificate (or pair of them) and policy that are used together. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { toCertplaneError, type CertplaneError } from '../../core/errors.ts';
import type { InUse } from './certificates.ts';
import { decideTickets } from './node-tls.ts';
import type { ActivePolicy, ClientTrust } from './policy.ts';
import { PolicyTickets } from './ticket-keys.ts';

interface PolicyState {
  /** Absent: sessions are not resumed. */
  readonly tickets: PolicyTickets | undefined;
  /** By the first certificate, with which they go. */
  readonly contexts: WeakMap<InUse, readonly Built[]>;
}

interface Built {
  readonly second: InUse | undefined;
  readonly context: SecureContext | CertplaneError;
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

  /** `certificates`: one, or two with keys of different kinds. The error is what the TLS library has against them. */
  of(policy: ActivePolicy, certificates: readonly [InUse, InUse?]): SecureContext | CertplaneError {
    const state = this.#stateOf(policy);
    const [first, second] = certificates;
    const known = state.contexts.get(first) ?? [];
    for (const built of known) if (built.second === second) return built.context;
    const context = build(policy, state.tickets, second === undefined ? [first] : [first, second]);
    // A second one that has been replaced is not held on to.
    const others = known.filter((built) => built.second?.slot !== second?.slot);
    state.contexts.set(first, [...others, { second, context }]);
    return context;
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
      state = { tickets, contexts: new WeakMap() };
      this.#states.set(id, state);
    }
    return state;
  }
}

function build(
  policy: ActivePolicy,
  tickets: PolicyTickets | undefined,
  certificates: readonly InUse[],
): SecureContext | CertplaneError {
  try {
    const context = createSecureContext({
      ...optionsOf(policy),
      cert: certificates.map(({ bundle }) => bundle.chainPem),
      key: certificates.map(({ bundle }) => bundle.keyPem),
    });
    if (tickets !== undefined) decideTickets(context, tickets.onTicket);
    return context;
  } catch (error) {
    return toCertplaneError(error, 'terminator.policy-unusable');
  }
}

function optionsOf({ id, tls, client }: ActivePolicy): SecureContextOptions {
  return {
    ...trustOptions(client),
    minVersion: tls.minVersion,
    ...(tls.ciphers.length === 0 ? {} : { ciphers: tls.ciphers.join(':') }),
    ecdhCurve: tls.curves.join(':'),
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (tls.sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
    // Set because node would derive it from the command line, which differs between processes.
    sessionIdContext: id,
    sessionTimeout: sessionTimeoutSeconds,
  };
}

function trustOptions(client: ClientTrust | undefined): SecureContextOptions {
  // Without `ca`, node would load the system's roots, which nobody asks here.
  if (client === undefined) return { ca: [] };
  // Whatever stands in the CA file is trusted, an intermediate CA without its root, too.
  const trust = { ca: client.ca, allowPartialTrustChain: true };
  return client.crl === undefined ? trust : { ...trust, crl: splitRevocationLists(client.crl) };
}

const crlBlock = /-----BEGIN X509 CRL-----[A-Za-z0-9+/=\s]+-----END X509 CRL-----/g;

/** Node reads only the first list of a text. */
function splitRevocationLists(text: string): string[] {
  return text.match(crlBlock) ?? [text];
}
