/** The two read requests a watcher needs, over one undici agent: a page of a LIST and a WATCH stream. */
import { Agent, request } from 'undici';
import { CertplaneError } from '../../core/errors.ts';
import type { KubernetesConnection } from './connection.ts';

/** A page of 500 Secrets of at most 1 MiB each is the API server's own bound; more than this is an accident. */
const maxListBytes = 600 * 1_048_576;
/** One watch event carries one object. */
const maxLineBytes = 16 * 1_048_576;

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface KubernetesObject {
  readonly metadata: ObjectMeta;
}

export interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items?: readonly T[];
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: { readonly code?: number; readonly message?: string } };

/** Thrown with the HTTP status beside our code, because 410 Gone steers the reflector. */
export class KubernetesStatusError extends CertplaneError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(status === 401 || status === 403 ? 'kubernetes.forbidden' : 'kubernetes.unreachable', message);
    this.status = status;
  }
}

export interface WatchClient extends AsyncDisposable {
  list<T>(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<ListPage<T>>;
  /** Resolves once the server has accepted; the events end with its stream, and throw when nothing at all arrives for `silenceMs`. */
  watch<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    options: { silenceMs: number; signal: AbortSignal },
  ): Promise<AsyncIterable<WatchEvent<T>>>;
}

export function createWatchClient(connection: KubernetesConnection): WatchClient {
  const agent = new Agent({
    connect: {
      timeout: 10_000,
      ...(connection.caPem === undefined ? {} : { ca: connection.caPem }),
      ...(connection.clientCertificate === undefined
        ? {}
        : { cert: connection.clientCertificate.certPem, key: connection.clientCertificate.keyPem }),
    },
  });

  async function get(path: string, query: Readonly<Record<string, string>>, bodyTimeout: number, signal: AbortSignal) {
    const token = await connection.token();
    const url = `${connection.url}${path}?${new URLSearchParams(query).toString()}`;
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'certplane' };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    try {
      const response = await request(url, { dispatcher: agent, headers, signal, headersTimeout: 30_000, bodyTimeout });
      if (response.statusCode === 200) return response;
      const text = await bounded(response.body, 65_536);
      throw new KubernetesStatusError(
        response.statusCode,
        `The API server answered ${response.statusCode} for ${path}: ${statusMessage(text)}`,
      );
    } catch (error) {
      if (error instanceof CertplaneError || signal.aborted) throw error;
      throw new CertplaneError(
        'kubernetes.unreachable',
        `The API server at ${connection.url} cannot be reached: ${(error as Error).message}.`,
        {
          cause: error,
        },
      );
    }
  }

  return {
    async list<T>(path: string, query: Readonly<Record<string, string>>, signal: AbortSignal) {
      const response = await get(path, query, 60_000, signal);
      return JSON.parse(await bounded(response.body, maxListBytes)) as ListPage<T>;
    },
    async watch<T>(
      path: string,
      query: Readonly<Record<string, string>>,
      { silenceMs, signal }: { silenceMs: number; signal: AbortSignal },
    ) {
      const response = await get(path, { ...query, watch: 'true' }, silenceMs, signal);
      return lines<WatchEvent<T>>(response.body, signal);
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

async function* lines<T>(body: AsyncIterable<Buffer>, signal: AbortSignal): AsyncIterable<T> {
  let rest = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true });
      if (rest.length > maxLineBytes)
        throw new CertplaneError('kubernetes.unreachable', 'A watch event is larger than 16 MiB.');
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        if (line.length > 0) yield JSON.parse(line) as T;
      }
    }
  } catch (error) {
    if (error instanceof CertplaneError || signal.aborted) throw error;
    throw new CertplaneError('kubernetes.unreachable', `The watch broke off: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

async function bounded(body: AsyncIterable<Buffer>, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > most)
      throw new CertplaneError('kubernetes.unreachable', `The API server's answer is larger than ${most} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function statusMessage(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? 'no message';
  } catch {
    return 'no Kubernetes status in the answer';
  }
}
