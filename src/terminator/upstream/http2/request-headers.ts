import type { BackendRequest } from '../backend.ts';

/** The header list of a request over HTTP/2 (RFC 9113 §8.3); a WebSocket is an extended CONNECT (RFC 8441 §4). */
export function requestHeaders(request: BackendRequest, scheme: 'https' | 'http'): string[] {
  const { method, target, authority, headers, trailers, upgrade } = request;
  const list = upgrade === undefined ? [':method', method] : [':method', 'CONNECT', ':protocol', upgrade];
  list.push(':scheme', scheme, ':path', target);
  // HTTP/1.0 clients may name no host.
  if (authority !== '') list.push(':authority', authority);
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (upgrade === undefined || name !== 'sec-websocket-key') list.push(name, headers[i + 1] as string);
  }
  if (trailers && upgrade === undefined) list.push('te', 'trailers');
  return list;
}
