/** From a header section to a request, or why it is not one we pass on (RFC 9113 §8.3.1, RFC 8441 §4). */
import { targetBytes, tokenBytes } from '../http1/bytes.ts';
import { parseAuthority } from '../proxy/authority.ts';
import type { HeaderSection } from './header-section.ts';
import type { Http2Limit } from './limit.ts';

/** Answered here, with a sentence. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  /** The limit that it went over. */
  readonly limit?: Http2Limit;
}

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly host: string;
  readonly upgrade: 'websocket' | undefined;
}

const longestMethod = 40;

/** A head; a refusal; or undefined where the section is no request at all (a stream error). `bodyBytes`: 0 for no limit. */
export function readRequest(
  section: HeaderSection,
  endStream: boolean,
  bodyBytes: number,
): RequestHead | Refusal | undefined {
  const { tooLarge, malformed, length = 0 } = section;
  if (tooLarge !== undefined) return { status: 431, reason: 'the header section is too large', limit: tooLarge };
  if (malformed || (endStream && length > 0)) return undefined;
  const head = readHead(section);
  if (head === undefined || 'status' in head) return head;
  if (head.upgrade !== undefined && endStream) return bad('a tunnel that has already ended');
  if (bodyBytes > 0 && length > bodyBytes) return bodyTooLarge;
  return head;
}

export const bodyTooLarge: Refusal = { status: 413, reason: 'the request body is too large', limit: 'body-bytes' };

function readHead(section: HeaderSection): RequestHead | Refusal | undefined {
  const { method, path, scheme, protocol } = section;
  if (method === undefined || !isToken(method)) return undefined;
  if (method === 'CONNECT' && protocol === undefined) return { status: 501, reason: 'CONNECT is not served here' };
  if (protocol !== undefined && method !== 'CONNECT') return undefined;
  if (scheme === undefined || scheme === '' || path === undefined || path === '') return undefined;
  if (method.length > longestMethod) return { status: 501, reason: 'unknown method' };
  // As over HTTP/1.1: `delete` is another method than `DELETE`, but not to every backend, and routes match methods.
  if (!/^[A-Z_-]+$/.test(method)) return bad('malformed method');
  if (!isTarget(path, method)) return bad('malformed target');
  const authority = section.authority ?? section.host ?? '';
  if (section.host !== undefined && section.host.toLowerCase() !== authority.toLowerCase()) {
    return bad('Host and :authority differ');
  }
  const host = parseAuthority(authority);
  if (host === undefined) return bad('malformed host');
  if (protocol === undefined) return { method, target: path, authority, host, upgrade: undefined };
  if (protocol !== 'websocket') return { status: 501, reason: 'unknown protocol of an extended CONNECT' };
  // What it is over HTTP/1.1; its stream is a tunnel and has no body.
  return { method: 'GET', target: path, authority, host, upgrade: 'websocket' };
}

function bad(reason: string): Refusal {
  return { status: 400, reason };
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (tokenBytes[text.charCodeAt(i)] !== 1) return false;
  return text !== '';
}

/** It goes into a request line, so nothing may end that early. */
function isTarget(text: string, method: string): boolean {
  if (text === '*') return method === 'OPTIONS';
  if (text.charCodeAt(0) !== 0x2f) return false;
  for (let i = 1; i < text.length; i += 1) if (targetBytes[text.charCodeAt(i)] !== 1) return false;
  return true;
}
