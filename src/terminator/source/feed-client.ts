/** The requests of the feed's wire protocol (`core/feed.ts`), over its unix socket. */
import { randomUUID } from 'node:crypto';
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { maxBundleBytes, type Bundle } from '../../core/bundle.ts';
import { CertplaneError } from '../../core/errors.ts';
import { formatRevision, type FeedLine, type Revision } from '../../core/feed.ts';

/** The longest line is the settings item: some hundred bytes per route. */
const longestLineBytes = 33_554_432;
const requestTimeoutMs = 10_000;

interface RequestOptions {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly signal: AbortSignal;
  readonly agent?: Agent;
}

export class FeedClient {
  /** Which process this is, where two have one id: an old one that drains and its successor. */
  readonly session = randomUUID();
  readonly #socketPath: string;
  readonly #terminatorId: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  #feed: ClientRequest | undefined;

  constructor(socketPath: string, terminatorId: string) {
    this.#socketPath = socketPath;
    this.#terminatorId = terminatorId;
  }

  /** The feed, line by line; throws `terminator.control-unreachable` when it cannot be had. */
  async open(since: Revision | undefined, signal: AbortSignal): Promise<AsyncGenerator<FeedLine>> {
    const path = since === undefined ? '/feed' : `/feed?since=${encodeURIComponent(formatRevision(since))}`;
    const response = await this.#send({ method: 'GET', path, signal }, (sent) => (this.#feed = sent));
    if (response.statusCode === 200) return this.#lines(response);
    response.resume();
    throw unreachable(`The feed answered with status ${response.statusCode}.`);
  }

  async *#lines(response: IncomingMessage): AsyncGenerator<FeedLine> {
    response.setEncoding('utf8');
    let rest = '';
    try {
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > longestLineBytes) throw unreachable('The feed sent a line without end.');
        for (const line of lines) if (line !== '') yield parseLine(line);
      }
    } catch (error) {
      if (error instanceof CertplaneError) throw error;
      throw unreachable('The control process cut the connection.', error);
    } finally {
      this.cutFeed();
    }
  }

  /** Ends the connection that the lines come from. */
  cutFeed(): void {
    this.#feed?.destroy();
    this.#feed = undefined;
  }

  /** Throws `store.not-found` or `terminator.source-unreadable`. */
  async material(versionId: string, signal: AbortSignal): Promise<Bundle> {
    const path = `/material/${encodeURIComponent(versionId)}`;
    const { status, body } = await this.#exchange({ method: 'GET', path, signal });
    if (status === 404) throw new CertplaneError('store.not-found', `The control process no longer has ${versionId}.`);
    const bundle = status === 200 ? parseBundle(body) : undefined;
    if (bundle === undefined) {
      throw new CertplaneError('terminator.source-unreadable', `${versionId} could not be fetched (status ${status}).`);
    }
    return bundle;
  }

  /** Throws `api.invalid-request` when control does not understand it, and `terminator.source-unreadable` when it was not taken. */
  async post(path: '/acknowledge' | '/served', value: unknown, signal: AbortSignal): Promise<void> {
    const { status, body } = await this.#exchange({ method: 'POST', path, body: JSON.stringify(value), signal });
    if (status === 400) throw new CertplaneError('api.invalid-request', `POST ${path}: ${body.slice(0, 500)}`);
    if (status >= 300)
      throw new CertplaneError('terminator.source-unreadable', `POST ${path} answered with status ${status}.`);
  }

  close(): void {
    this.cutFeed();
    this.#agent.destroy();
  }

  async #exchange(options: RequestOptions): Promise<{ status: number; body: string }> {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(requestTimeoutMs)]);
    try {
      const response = await this.#send({ ...options, signal, agent: this.#agent });
      response.setEncoding('utf8');
      let body = '';
      for await (const chunk of response as AsyncIterable<string>) {
        body += chunk;
        if (body.length > 2 * maxBundleBytes) throw unreachable('The answer of the control process is too large.');
      }
      return { status: response.statusCode ?? 0, body };
    } catch (cause) {
      options.signal.throwIfAborted();
      throw new CertplaneError(
        'terminator.source-unreadable',
        `The control process did not answer: ${reasonOf(cause)}`,
        { cause },
      );
    }
  }

  async #send(options: RequestOptions, onSent?: (sent: ClientRequest) => void): Promise<IncomingMessage> {
    const { method, path, body, signal, agent } = options;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({
      socketPath: this.#socketPath,
      method,
      path,
      signal,
      agent: agent ?? false,
      headers: {
        host: 'certplane',
        'certplane-terminator': this.#terminatorId,
        'certplane-session': this.session,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    onSent?.(sent);
    sent.once('response', resolve);
    sent.on('error', (error) =>
      reject(unreachable(`The control process cannot be reached: ${reasonOf(error)}`, error)),
    );
    sent.end(body);
    return await promise;
  }
}

function parseLine(text: string): FeedLine {
  try {
    return JSON.parse(text) as FeedLine;
  } catch (cause) {
    throw unreachable('The feed sent a line that is not JSON.', cause);
  }
}

function parseBundle(text: string): Bundle | undefined {
  try {
    const { chainPem, keyPem } = JSON.parse(text) as Partial<Bundle>;
    return typeof chainPem === 'string' && typeof keyPem === 'string' ? { chainPem, keyPem } : undefined;
  } catch {
    return undefined; // the caller says so, without quoting what may be a key
  }
}

function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
}

function unreachable(message: string, cause?: unknown): CertplaneError {
  return new CertplaneError('terminator.control-unreachable', message, { cause });
}
