import acme from 'acme-client';
import {
  readAuthorization,
  readOrder,
  readOrderList,
  readOrdersUrl,
  type Authorization,
  type Order,
} from './documents.ts';
import type { AcmeTransport } from './transport.ts';

export interface Account {
  readonly url: string;
  /** Address of the terms that registering accepted, where the CA has any. */
  readonly termsOfService: string | undefined;
}

export interface Answered<T> {
  readonly value: T;
  /** Retry-After of the answer, milliseconds since the epoch. */
  readonly retryAt?: number | undefined;
}

const mostPages = 20;

/**
 * The verbs of RFC 8555 for one account, each one request. Every method takes a signal and throws what
 * `AcmeTransport.run` throws.
 */
export class AcmeSession {
  readonly #transport: AcmeTransport;
  readonly #client: acme.Client;

  constructor(
    transport: AcmeTransport,
    options: {
      directory: string;
      keyPem: string;
      accountUrl?: string | undefined;
      externalAccount?: { keyId: string; hmacKey: string } | undefined;
    },
  ) {
    const { externalAccount } = options;
    this.#transport = transport;
    this.#client = new acme.Client({
      directoryUrl: options.directory,
      accountKey: options.keyPem,
      ...(options.accountUrl === undefined ? {} : { accountUrl: options.accountUrl }),
      ...(externalAccount === undefined
        ? {}
        : { externalAccountBinding: { kid: externalAccount.keyId, hmacKey: externalAccount.hmacKey } }),
    });
  }

  get accountUrl(): string {
    return this.#client.getAccountUrl();
  }

  /** newAccount; gives the existing account where the key already has one (RFC 8555 §7.3). Accepts the terms. */
  async register(email: string | undefined, signal: AbortSignal): Promise<Account> {
    const { value } = await this.#transport.run(signal, async () => {
      const terms: unknown = await this.#client.getTermsOfServiceUrl();
      // Its public verb would send an update after finding an account, which strict servers refuse as empty.
      const { api } = this.#client as unknown as { api: { createAccount(data: object): Promise<unknown> } };
      await api.createAccount({ termsOfServiceAgreed: true, ...contact(email) });
      return { url: this.accountUrl, termsOfService: typeof terms === 'string' ? terms.slice(0, 2048) : undefined };
    });
    return value;
  }

  async updateContact(email: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#transport.run(signal, async () => await this.#client.updateAccount({ contact: [], ...contact(email) }));
  }

  async newOrder(dnsNames: readonly string[], signal: AbortSignal): Promise<{ url: string; order: Order }> {
    const identifiers = dnsNames.map((value) => ({ type: 'dns', value }));
    const { value } = await this.#transport.run(signal, async () => await this.#client.createOrder({ identifiers }));
    return { url: value.url, order: readOrder(value) };
  }

  async order(url: string, signal: AbortSignal): Promise<Answered<Order>> {
    const { value, notes } = await this.#fetch(url, signal);
    return { value: readOrder(value), retryAt: notes.retryAt };
  }

  async authorization(url: string, signal: AbortSignal): Promise<Authorization> {
    return readAuthorization((await this.#fetch(url, signal)).value);
  }

  /** RFC 8555 §8.1: the token and the thumbprint of the account's key. */
  async keyAuthorization(token: string): Promise<string> {
    const challenge = { type: 'http-01', token, url: '', status: 'pending' } as const;
    return await this.#client.getChallengeKeyAuthorization(challenge);
  }

  /** Tells the CA that the challenge can be verified now. */
  async respond(challengeUrl: string, signal: AbortSignal): Promise<void> {
    const challenge = { type: 'http-01', token: '', url: challengeUrl, status: 'pending' } as const;
    await this.#transport.run(signal, async () => await this.#client.completeChallenge(challenge));
  }

  async finalize(
    order: { readonly url: string; readonly finalize: string },
    csrPem: string,
    signal: AbortSignal,
  ): Promise<Answered<Order>> {
    const { value, notes } = await this.#transport.run(
      signal,
      async () => await this.#client.finalizeOrder(typed(order), csrPem),
    );
    return { value: readOrder(value), retryAt: notes.retryAt };
  }

  /** The chain as PEM text. */
  async download(certificateUrl: string, signal: AbortSignal): Promise<string> {
    const order = typed({ status: 'valid', certificate: certificateUrl });
    const { value } = await this.#transport.run(signal, async () => await this.#client.getCertificate(order));
    return typeof value === 'string' ? value : '';
  }

  async deactivate(authorizationUrl: string, signal: AbortSignal): Promise<void> {
    const authorization = { url: authorizationUrl } as acme.Authorization;
    await this.#transport.run(signal, async () => await this.#client.deactivateAuthorization(authorization));
  }

  /** URLs of the account's orders, the last page's first; none where the CA offers no list (RFC 8555 §7.1.2.1). */
  async orderUrls(signal: AbortSignal): Promise<readonly string[]> {
    let page = readOrdersUrl((await this.#fetch(this.accountUrl, signal)).value);
    const urls: string[] = [];
    for (let pages = 0; page !== undefined && pages < mostPages; pages += 1) {
      const { value, notes } = await this.#fetch(page, signal);
      urls.push(...readOrderList(value));
      page = /<([^>]+)>\s*;[^,]*rel="?next"?/i.exec(notes.link ?? '')?.[1];
    }
    return urls.toReversed();
  }

  /** POST-as-GET of any resource; acme-client's own verb for that takes an order. */
  async #fetch(url: string, signal: AbortSignal) {
    return await this.#transport.run<unknown>(signal, async () => await this.#client.getOrder(typed({ url })));
  }
}

function contact(email: string | undefined): { contact?: string[] } {
  return email === undefined ? {} : { contact: [`mailto:${email}`] };
}

/** acme-client reads only these fields of an order. */
function typed(order: Partial<acme.Order>): acme.Order {
  return order as acme.Order;
}
