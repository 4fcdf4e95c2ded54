import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface FetchOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** PEM; what an https server is trusted by. */
  ca?: string;
  servername?: string;
  /** Connects there instead of to the URL's host and port. */
  connectTo?: { host?: string; port: number };
  socketPath?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

export interface FetchResult {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** One request over a connection of its own, so that nothing is left open and the trust is the caller's alone. */
export async function fetchOnce(url: string | URL, options: FetchOptions = {}): Promise<FetchResult> {
  const target = new URL(url);
  const { method = 'GET', headers = {}, body, timeoutMs = 15_000 } = options;
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(options.signal ? [options.signal] : [])]);
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      {
        method,
        host: options.connectTo?.host ?? (options.connectTo ? '127.0.0.1' : target.hostname.replace(/^\[|\]$/g, '')),
        port: options.connectTo?.port ?? (target.port || (target.protocol === 'https:' ? 443 : 80)),
        path: target.pathname + target.search,
        headers: { host: target.host, ...headers },
        agent: false,
        signal,
        ca: options.ca,
        servername: options.servername ?? target.hostname,
        ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
