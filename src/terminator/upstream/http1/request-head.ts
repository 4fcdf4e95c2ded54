import type { BackendRequest } from '../backend.ts';

/** The request as an HTTP/1.1 backend gets it: request line, headers, empty line; latin1. `key`: a WebSocket key of our own. */
export function requestHead(request: BackendRequest, key: string | undefined): string {
  const { method, target, authority, headers, body, trailers, upgrade } = request;
  let text = `${method} ${target} HTTP/1.1\r\nHost: ${authority}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  if (upgrade !== undefined) text += `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`;
  else if (trailers) text += 'TE: trailers\r\nConnection: TE\r\n';
  if (key !== undefined) text += `Sec-WebSocket-Key: ${key}\r\n`;
  if (body === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  return `${text}\r\n`;
}

/** What ends a chunked body. */
export function trailerLines(trailers: readonly string[]): string {
  let text = '0\r\n';
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
  return `${text}\r\n`;
}
