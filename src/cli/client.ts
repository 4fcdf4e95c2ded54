/** The API as commands use it. Problem documents (RFC 9457) become `CertplaneError`s with the code they carry. */
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import type { Problem } from '../api/contract/overview.ts';
import { CertplaneError, errorCodes, isAbort, type ErrorCode } from '../core/errors.ts';
import { readBody, send, type ApiRequest, type Endpoint } from './http.ts';
import { readRefusal } from '../main/refusal.ts';
import { readEvents, type ServerEvent } from './sse.ts';

/** A page of 1,000 certificates is about 2 MB. */
const mostBytes = 64 * 1024 * 1024;
const usualMs = 60_000;

export interface CallOptions {
  readonly signal: AbortSignal;
  /** For the whole call; a minute unless told. */
  readonly timeoutMs?: number;
}

/**
 * Every call throws `process.control-unreachable` when nothing answers, the code of the problem document when the
 * answer is one, `api.unavailable` when time runs out, and `process.aborted` when the signal ends it.
 */
export interface ApiClient {
  /** How messages call the other side. */
  readonly where: string;
  get<T>(path: string, options: CallOptions): Promise<T>;
  post<T>(path: string, body: unknown, options: CallOptions): Promise<T>;
  delete(path: string, options: CallOptions): Promise<void>;
  /** Server-sent events until the signal ends or the connection does. */
  events(path: string, signal: AbortSignal): AsyncIterable<ServerEvent>;
}

export function connect(endpoint: Endpoint): ApiClient {
  const where = 'socketPath' in endpoint ? endpoint.socketPath : endpoint.url.origin;

  async function call<T>(
    request: Pick<ApiRequest, 'method' | 'path' | 'body'>,
    { signal, timeoutMs = usualMs }: CallOptions,
  ): Promise<T> {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const both = AbortSignal.any([signal, limit]);
      const incoming = await send(endpoint, { ...request, accept: 'application/json', signal: both });
      const text = await readBody(incoming, mostBytes);
      return parseAnswer(incoming, text, where) as T;
    } catch (error) {
      throw await callFailure(error, { endpoint, where, signal, limit });
    }
  }

  return {
    where,
    get: async (path, options) => await call({ method: 'GET', path }, options),
    post: async (path, body, options) => await call({ method: 'POST', path, body }, options),
    delete: async (path, options) => await call({ method: 'DELETE', path }, options),
    async *events(path, signal) {
      const incoming = await send(endpoint, { method: 'GET', path, accept: 'text/event-stream', signal });
      if (incoming.statusCode === 200) yield* readEvents(incoming);
      else parseAnswer(incoming, await readBody(incoming, mostBytes), where);
    },
  };
}

function parseAnswer(incoming: IncomingMessage, text: string, where: string): unknown {
  const status = incoming.statusCode ?? 0;
  if (status === 204) return undefined;
  const value = parseJson(text);
  if (status >= 200 && status < 300 && value !== undefined) return value;
  const problem = (typeof value === 'object' && value !== null ? value : {}) as Partial<Problem>;
  if (typeof problem.code === 'string' && typeof problem.detail === 'string') {
    const known = problem.code in errorCodes;
    const retryAt = typeof problem.retryAt === 'string' ? Date.parse(problem.retryAt) : NaN;
    throw new CertplaneError(
      known ? (problem.code as ErrorCode) : 'internal.unexpected',
      known ? problem.detail : `${problem.detail} (${problem.code})`,
      Number.isNaN(retryAt) ? {} : { retryAt },
    );
  }
  throw new CertplaneError('api.not-found', `What answers at ${where} is not a Certplane API (HTTP status ${status}).`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // the caller says that the answer is not one of ours
  }
}

interface Failed {
  readonly endpoint: Endpoint;
  readonly where: string;
  readonly signal: AbortSignal;
  readonly limit: AbortSignal;
}

async function callFailure(error: unknown, { endpoint, where, signal, limit }: Failed): Promise<Error> {
  if (error instanceof CertplaneError) return error;
  if (signal.aborted) return new CertplaneError('process.aborted', 'Stopped before it was done.', { cause: error });
  if (limit.aborted || isAbort(error)) {
    const message = `The control process at ${where} did not answer in time; look at its log, or at "certplane doctor".`;
    return new CertplaneError('api.unavailable', message, { cause: error });
  }
  if (error instanceof RangeError) {
    return new CertplaneError('api.invalid-request', `The answer of ${where} is ${error.message}; ask for less.`, {
      cause: error,
    });
  }
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  return new CertplaneError('process.control-unreachable', await unreachable(code, endpoint, where), {
    cause: error,
  });
}

async function unreachable(code: string, endpoint: Endpoint, where: string): Promise<string> {
  if ('url' in endpoint)
    return `No control process answers at ${where} (${code}); check --url, and that it runs there.`;
  if (code === 'EACCES' || code === 'EPERM') {
    return `${where} belongs to another user; run this command as the user that Certplane runs as.`;
  }
  const refusal = await readRefusal(dirname(endpoint.socketPath));
  if (refusal !== undefined) {
    return `No control process answers at ${where}: it refuses to start, and is tried again. Meanwhile the terminator serves its last-good copy and nothing is renewed. ${refusal.message} [${refusal.code}]`;
  }
  const why = code === 'ENOENT' || code === 'ECONNREFUSED' ? '' : ` (${code})`;
  return `No control process answers at ${where}${why}; start it with "certplane run", or say where it runs with --config or --data-dir.`;
}
