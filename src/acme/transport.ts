/**
 * The transport under acme-client. acme-client talks through one axios instance per process and knows neither timeouts
 * nor cancellation nor typed errors; here its adapter is ours, and finds the issuer it works for in async context.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import acme from 'acme-client';
import type { AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { Agent, request } from 'undici';
import { splitChain } from '../core/bundle.ts';
import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import { readAnswer, type Answer } from './answer.ts';
import { withDeadline } from '../core/deadline.ts';
import { networkError } from './network-errors.ts';
import { problemKind, requestError } from './problems.ts';

export interface AcmeTransportOptions {
  /** The CA's directory URL; only for words in messages. */
  readonly directory: string;
  /** Trusted for the CA's own HTTPS instead of the system's roots. */
  readonly caBundlePem?: string | undefined;
  readonly clock: Clock;
  readonly connectTimeoutMs?: number;
  /** From the request to the last byte of its answer. */
  readonly requestTimeoutMs?: number;
}

/** What an answer brought besides its body. */
export interface AnswerNotes {
  /** Retry-After, milliseconds since the epoch. */
  readonly retryAt?: number | undefined;
  readonly link?: string | undefined;
}

interface Call {
  readonly transport: AcmeTransport;
  readonly signal: AbortSignal;
  badNonces: number;
  notes: AnswerNotes;
}

const calls = new AsyncLocalStorage<Call>();
/** acme-client signs again with the fresh nonce this many times (its own constant); one more is an error. */
const mostBadNonces = 5;
const mostNonces = 32;

acme.axios.defaults.adapter = async (config) => {
  const call = calls.getStore();
  if (call === undefined) throw new TypeError('acme-client was used outside of AcmeTransport.run.');
  return await call.transport.answer(config, call);
};
// Waiting belongs to the scheduler: the library's interceptor would sleep inside the call for a whole Retry-After.
(acme.axios.defaults as { acmeSettings?: { retryMaxAttempts: number } }).acmeSettings!.retryMaxAttempts = 0;

/**
 * HTTPS to one CA: its own connections and trust, a pool of nonces (RFC 8555 §6.5) so that newNonce is needed only when
 * the pool is empty, a limit in time and size on everything.
 */
export class AcmeTransport implements AsyncDisposable {
  readonly #options: AcmeTransportOptions;
  readonly #agent: Agent;
  readonly #ca: string;
  readonly #nonces: string[] = [];

  constructor(options: AcmeTransportOptions) {
    this.#options = options;
    this.#ca = `The CA at ${hostOf(options.directory)}`;
    this.#agent = new Agent({
      allowH2: false,
      connections: 8,
      headersTimeout: 0, // the deadline below covers the whole exchange
      bodyTimeout: 0,
      connect: { timeout: options.connectTimeoutMs ?? 10_000, ca: options.caBundlePem },
    });
  }

  /**
   * Runs calls of acme-client against this CA. Throws CertplaneError: `issuer.unreachable`, `issuer.tls-untrusted`,
   * `issuer.timeout`, `issuer.response-invalid`, `acme.*` with the problem document and `retryAt`, `process.aborted`.
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<{ value: T; notes: AnswerNotes }> {
    const call: Call = { transport: this, signal, badNonces: 0, notes: {} };
    try {
      return { value: await calls.run(call, work), notes: call.notes };
    } catch (cause) {
      if (cause instanceof CertplaneError) throw cause;
      // acme-client gives up without a type when a directory entry, a Location or a nonce is missing.
      const message = `${this.#ca} left out something the protocol demands.`;
      throw new CertplaneError('issuer.response-invalid', message, { cause });
    }
  }

  /** The adapter behind `run`. */
  async answer(config: InternalAxiosRequestConfig, call: Call): Promise<AxiosResponse> {
    const method = config.method?.toUpperCase() ?? 'GET';
    const pooled = method === 'HEAD' ? this.#nonces.pop() : undefined;
    if (pooled !== undefined) return respond(config, { status: 200, headers: { 'replay-nonce': pooled }, body: '' });
    const answer = await this.#exchange(config, method, call.signal);
    const { status, problem, headers } = answer;
    if (problemKind(problem) === 'badNonce' && status === 400 && call.badNonces < mostBadNonces) {
      call.badNonces += 1;
      return respond(config, answer); // acme-client uses the fresh nonce itself, so it does not go into the pool
    }
    call.badNonces = 0;
    call.notes = { retryAt: answer.retryAt, link: headers['link'] };
    const nonce = headers['replay-nonce'];
    if (nonce !== undefined && method !== 'HEAD' && this.#nonces.length < mostNonces) this.#nonces.push(nonce);
    if (status >= 400) throw requestError({ ca: this.#ca, ...answer });
    return respond(config, answer);
  }

  async #exchange(config: InternalAxiosRequestConfig, method: string, signal: AbortSignal): Promise<Answer> {
    const { clock, caBundlePem, requestTimeoutMs = 30_000 } = this.#options;
    const url = this.#checked(config.url);
    try {
      return await withDeadline({ clock, ms: requestTimeoutMs, signal, what: this.#ca }, async (limit) => {
        const response = await request(url, {
          method: method === 'POST' || method === 'HEAD' ? method : 'GET',
          dispatcher: this.#agent,
          signal: limit,
          headers: { 'user-agent': 'certplane', 'accept-language': 'en', 'content-type': 'application/jose+json' },
          body: typeof config.data === 'string' ? config.data : null,
        });
        return await readAnswer(response, { ca: this.#ca, now: clock.now() });
      });
    } catch (error) {
      if (signal.aborted) throw new CertplaneError('process.aborted', 'The request was interrupted.', { cause: error });
      if (error instanceof CertplaneError) {
        if (error.code !== 'issuer.timeout') throw error;
        const message = `${this.#ca} did not answer within ${requestTimeoutMs / 1000} s.`;
        throw new CertplaneError('issuer.timeout', message, { cause: error });
      }
      throw networkError(error, this.#ca, caBundlePem !== undefined);
    }
  }

  #checked(url: string | undefined): URL {
    const parsed = URL.parse(url ?? '');
    if (parsed?.protocol !== 'https:')
      throw new CertplaneError('issuer.response-invalid', `${this.#ca} must be used over https (RFC 8555 §6.1).`);
    const { caBundlePem } = this.#options;
    if (caBundlePem !== undefined && splitChain(caBundlePem).length === 0)
      throw new CertplaneError('issuer.tls-untrusted', 'caBundle has no PEM certificate in it.');
    return parsed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

function respond(
  config: InternalAxiosRequestConfig,
  { status, headers, body }: Pick<Answer, 'status' | 'headers' | 'body'>,
) {
  return { status, statusText: '', headers, data: body, config };
}

function hostOf(directory: string): string {
  return URL.parse(directory)?.host ?? directory;
}
