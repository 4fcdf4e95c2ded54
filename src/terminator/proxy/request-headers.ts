/** The header section a backend gets (RFC 9110 §7.6), made in one pass over the client's. */
import type { CompiledChanges } from '../routing/header-changes.ts';
import type { Inbound } from './exchange.ts';
import { headerName } from './header-kinds.ts';
import { Hop } from './hop.ts';
import { namedOptions, withChanges, withoutNames } from './headers.ts';

export interface RequestHeaders {
  readonly headers: readonly string[];
  /** The client understands trailers (`TE: trailers`). */
  readonly trailers: boolean;
  /** How often the request has come through a terminator already. */
  readonly passes: number;
}

/** `identity`: client identity headers, where the host's policy asks for certificates. */
export function requestHeaders(
  inbound: Inbound,
  changes: CompiledChanges | undefined,
  identity: readonly string[] | undefined,
): RequestHeaders {
  const { headers, connection, body, method } = inbound;
  const { trusted } = connection;
  let result: string[] = [];
  let named: Set<string> | undefined;
  let cookies = '';
  let trailers = false;
  let via = '';
  let passes = 0;
  let forwardedFor = '';
  let forwarded = '';
  let protoKnown = false;
  let hostKnown = false;
  let portKnown = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    switch (headerName(name).request) {
      case undefined:
        result.push(name, value);
        break;
      case 'drop':
        break;
      case 'connection':
        named = namedOptions(value, named);
        break;
      case 'te':
        trailers ||= /(?:^|,)\s*trailers\s*(?:,|$)/i.test(value);
        break;
      case 'cookie': // RFC 9113 §8.2.3: HTTP/2 may split it, HTTP/1.1 may not
        cookies = joined(cookies, value, '; ');
        break;
      case 'content-length':
        if (body?.framing === 'length' || value === '0') result.push(name, value);
        break;
      case 'via':
        via = joined(via, value, ', ');
        break;
      case 'max-forwards':
        result.push(name, method === 'TRACE' || method === 'OPTIONS' ? oneLess(value) : value);
        break;
      case 'forwarded-for':
        if (trusted) forwardedFor = joined(forwardedFor, value, ', ');
        break;
      case 'forwarded':
        if (trusted) forwarded = joined(forwarded, value, ', ');
        break;
      case 'forwarded-proto':
        protoKnown ||= trusted;
        if (trusted) result.push(name, value);
        break;
      case 'forwarded-host':
        hostKnown ||= trusted;
        if (trusted) result.push(name, value);
        break;
      case 'forwarded-port':
        portKnown ||= trusted;
        if (trusted) result.push(name, value);
        break;
      case 'forwarded-other':
        if (trusted) result.push(name, value);
        break;
    }
  }
  if (named !== undefined) result = withoutNames(result, named);
  if (cookies !== '') result.push('Cookie', cookies);
  const hop = hopOf(inbound);
  if (forwardedFor + forwarded + via === '' && !protoKnown && !hostKnown && !portKnown)
    result = result.concat(hop.headers);
  else {
    result.push('X-Forwarded-For', joined(forwardedFor, hop.address, ', '));
    if (!protoKnown) result.push('X-Forwarded-Proto', connection.protocol);
    if (!hostKnown) result.push('X-Forwarded-Host', inbound.authority);
    if (!portKnown) result.push('X-Forwarded-Port', hop.port);
    result.push('Forwarded', joined(forwarded, hop.forwarded, ', '));
    passes = countOwn(via);
    result.push('Via', joined(via, hop.via, ', '));
  }
  if (identity !== undefined) result.push(...identity);
  return { headers: withChanges(result, changes), trailers, passes };
}

function joined(before: string, more: string, separator: string): string {
  return before === '' ? more : before + separator + more;
}

/** The same for all requests of a connection that ask for the same authority. */
function hopOf({ connection, authority, version }: Inbound): Hop {
  const { hop } = connection;
  if (hop?.authority === authority && hop.version === version) return hop;
  return (connection.hop = new Hop(connection, authority, version));
}

/** RFC 9110 §7.6.2; what is no number is not for us to mend. */
function oneLess(value: string): string {
  return /^[0-9]{1,9}$/.test(value) && Number(value) > 0 ? String(Number(value) - 1) : value;
}

function countOwn(via: string): number {
  let count = 0;
  for (const entry of via.split(',')) if (/^\s*\S+\s+certplane(?:\s|$)/.test(entry)) count += 1;
  return count;
}
