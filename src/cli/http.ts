/** One HTTP request to the API, over a unix socket or TCP: bounded in time and size, on a connection of its own. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { apiPrefix } from '../api/contract/prefix.ts';

export type Endpoint = { readonly socketPath: string } | { readonly url: URL; readonly token: string };

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below /api/v1, with its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly accept: string;
  readonly signal: AbortSignal;
}

/** Resolves with the head of the answer; its body is the caller's to read. */
export async function send(
  endpoint: Endpoint,
  { method, path, body, accept, signal }: ApiRequest,
): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const options: RequestOptions = {
    method,
    path: apiPrefix + path,
    agent: false,
    signal,
    headers: {
      accept,
      ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
      ...('token' in endpoint ? { authorization: `Bearer ${endpoint.token}` } : { host: 'localhost' }),
    },
  };
  return await new Promise((resolve, reject) => {
    const outgoing =
      'socketPath' in endpoint
        ? httpRequest({ ...options, socketPath: endpoint.socketPath })
        : (endpoint.url.protocol === 'https:' ? httpsRequest : httpRequest)(
            new URL(apiPrefix + path, endpoint.url),
            options,
          );
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(payload);
  });
}

/** The body as text; rejects with a RangeError when it is longer than `limit` bytes. */
export async function readBody(incoming: IncomingMessage, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) {
      incoming.destroy();
      throw new RangeError(`longer than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
