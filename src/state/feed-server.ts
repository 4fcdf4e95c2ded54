import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { z } from 'zod';
import type { Bundle } from '../core/bundle.ts';
import type { VersionId } from '../core/certificate.ts';
import { CertplaneError, errorCodes, isAbort, toCertplaneError } from '../core/errors.ts';
import { parseRevision } from '../core/feed.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Part } from '../core/ports/lifecycle.ts';
import type { Log } from '../core/ports/log.ts';
import { parseAcknowledgement, parseServedReport, parseTerminatorId } from './feed-messages.ts';
import { streamFeed } from './feed-stream.ts';
import type { Feed } from './feed.ts';
import type { Terminators } from './terminators.ts';
import { claimSocketPath } from './unix-socket.ts';

/** A complete report of 100,000 certificates is about 30 MB. */
const largestBody = 64 * 1024 * 1024;

export interface FeedServerDeps {
  /** `dataDir/run/feed.sock`; its directory is made with mode 0700. */
  readonly socketPath: string;
  readonly feed: Feed;
  readonly terminators: Terminators;
  /** Throws `store.not-found` for an unknown version. */
  readonly material: (versionId: VersionId, signal: AbortSignal) => Promise<Bundle>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Serves the protocol of `core/feed.ts` on a unix socket. `start` throws `store.locked` when another control plane
 * listens there, `store.unavailable` when the socket cannot be made. Stopping ends every stream at once.
 */
export function createFeedServer(deps: FeedServerDeps): Part {
  return new FeedServer(deps);
}

class FeedServer implements Part {
  readonly #deps: FeedServerDeps;
  readonly #stop = new AbortController();
  readonly #handling = new Set<Promise<void>>();
  #server: Server | undefined;
  #stopped: Promise<void> | undefined;

  constructor(deps: FeedServerDeps) {
    this.#deps = deps;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { socketPath } = this.#deps;
    await claimSocketPath(socketPath);
    const server = createServer({ requestTimeout: 60_000, headersTimeout: 10_000 }, (request, response) => {
      const work = this.#handle(request, response).finally(() => this.#handling.delete(work));
      this.#handling.add(work);
    });
    server.listen(socketPath);
    try {
      await once(server, 'listening');
    } catch (cause) {
      throw new CertplaneError('store.unavailable', `Nothing can listen on ${socketPath}.`, { cause });
    }
    this.#server = server;
    await chmod(socketPath, 0o600);
    signal.addEventListener('abort', () => void this[Symbol.asyncDispose](), { once: true });
    if (signal.aborted) await this[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    const server = this.#server;
    if (server !== undefined) {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    }
    await Promise.all(this.#handling);
  }

  /** Never rejects: what goes wrong is the answer, or the end of the connection where the answer has begun. */
  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ended = new AbortController();
    response.once('close', () => ended.abort());
    const signal = AbortSignal.any([ended.signal, this.#stop.signal]);
    try {
      await this.#answer(request, response, signal);
    } catch (caught) {
      if (response.headersSent || signal.aborted) {
        if (!isAbort(caught)) this.#deps.log.warn('A feed connection ended early.', { error: String(caught) });
        response.destroy();
        return;
      }
      sendProblem(response, toCertplaneError(caught));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { terminators, material } = this.#deps;
    const url = new URL(request.url ?? '/', 'http://feed');
    const route = `${request.method ?? ''} ${url.pathname}`;
    if (route === 'GET /feed') {
      await this.#stream(request, response, { since: url.searchParams.get('since'), signal });
    } else if (route.startsWith('GET /material/')) {
      const bundle = await material(decode(url.pathname.slice('/material/'.length)), signal);
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify({ chainPem: bundle.chainPem, keyPem: bundle.keyPem }));
    } else if (route === 'POST /acknowledge') {
      terminators.acknowledge(await readJson(request, parseAcknowledgement, signal));
      response.writeHead(204).end();
    } else if (route === 'POST /served') {
      terminators.served(await readJson(request, parseServedReport, signal));
      response.writeHead(204).end();
    } else {
      throw new CertplaneError('api.not-found', `There is no ${route} here.`);
    }
  }

  async #stream(
    request: IncomingMessage,
    response: ServerResponse,
    { since, signal }: { since: string | null; signal: AbortSignal },
  ): Promise<void> {
    const { feed, clock, terminators } = this.#deps;
    const id = parseTerminatorId(request.headers['certplane-terminator']);
    if (id === undefined) throw invalid('The header certplane-terminator must name the subscriber.');
    const revision = since === null ? undefined : parseRevision(since);
    if (since !== null && revision === undefined) throw invalid('"since" must be a revision, EPOCH.SEQUENCE.');
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
    response.flushHeaders();
    const session = parseTerminatorId(request.headers['certplane-session']);
    const resumes = revision !== undefined && !feed.read(revision).snapshot;
    terminators.connected(id, { session, resumed: resumes ? revision : undefined });
    try {
      await streamFeed({ feed, clock }, response, revision, signal);
    } finally {
      terminators.disconnected(id, session);
    }
  }
}

async function readJson<T>(request: IncomingMessage, parse: (value: unknown) => T, signal: AbortSignal): Promise<T> {
  const chunks: Buffer[] = [];
  let length = 0;
  // The request is left standing on the way out, so that the refusal can still be answered.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    length += chunk.length;
    if (length > largestBody) throw invalid(`The body is larger than ${largestBody} bytes.`);
    chunks.push(chunk);
  }
  try {
    return parse(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause).slice(0, 2000) : 'It is not JSON.';
    throw new CertplaneError('api.invalid-request', `The body does not have the expected form. ${why}`, { cause });
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('The version id is not percent-encoded as it should be.');
  }
}

function invalid(message: string): CertplaneError {
  return new CertplaneError('api.invalid-request', message);
}

/** This server's own few answers; the API's are in `api/errors.ts`. */
function statusOf({ code }: CertplaneError): number {
  if (code === 'api.invalid-request') return 400;
  return code === 'store.not-found' || code === 'api.not-found' ? 404 : 503;
}

function sendProblem(response: ServerResponse, error: CertplaneError): void {
  const status = statusOf(error);
  const { code, message } = error;
  const type = `https://certplane.dev/errors/${code}`;
  // A body that was refused half read must not be taken for the next request.
  response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' });
  response.end(JSON.stringify({ type, title: errorCodes[code], status, detail: message, code }));
}
