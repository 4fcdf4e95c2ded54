/** Flat header lists: name, value, name, value, … */
import type { CompiledChanges } from '../routing/header-changes.ts';
import { headerName } from './header-kinds.ts';

/** A Connection header may not take these away, or a client could have one message read as two. */
const neverNamed = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'cookie',
  'set-cookie',
  'authorization',
  'expect',
  'location',
]);

/** Nothing a trailer may say: it frames, routes or authenticates the message (RFC 9110 §6.5.1). */
const neverTrailers = new Set([...neverNamed, 'trailer', 'content-range', 'strict-transport-security']);

/** The trailers that may be passed on. */
export function passableTrailers(trailers: readonly string[]): readonly string[] {
  if (trailers.length === 0) return trailers;
  const result: string[] = [];
  for (let i = 0; i < trailers.length; i += 2) {
    const { lower, request } = headerName(trailers[i] as string);
    if (request !== undefined || neverTrailers.has(lower)) continue;
    result.push(trailers[i] as string, trailers[i + 1] as string);
  }
  return result;
}

/** The first value of a header. `name` is lower-case. */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

/** Adds the names in one value of a Connection header that belong to the connection by it; undefined while there are none. */
export function namedOptions(value: string, named: Set<string> | undefined): Set<string> | undefined {
  if (plainConnection.test(value)) return named;
  let result = named;
  for (const option of value.toLowerCase().split(',')) {
    const name = option.trim();
    // A trusted proxy says where the client came from; one that passes a client's Connection on does not unsay it.
    if (name === '' || neverNamed.has(name) || name.startsWith('x-forwarded-')) continue;
    (result ??= new Set()).add(name);
  }
  return result;
}
const plainConnection = /^(?:close|keep-alive|upgrade|te)?$/i;

/** The list without some headers. `drop` is lower-case. */
export function withoutNames(headers: readonly string[], drop: ReadonlySet<string>): string[] {
  const result: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!drop.has(headerName(name).lower)) result.push(name, headers[i + 1] as string);
  }
  return result;
}

export function withChanges(headers: string[], changes: CompiledChanges | undefined): string[] {
  if (changes === undefined) return headers;
  const result = changes.drop.size === 0 ? headers : withoutNames(headers, changes.drop);
  result.push(...changes.append);
  return result;
}
