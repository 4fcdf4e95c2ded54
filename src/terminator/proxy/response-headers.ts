/** The header section a client gets (RFC 9110 §7.6). Date is added by whoever writes it, where it is missing. */
import type { Hsts } from '../../core/tls-policy.ts';
import type { CompiledChanges } from '../routing/header-changes.ts';
import type { Inbound } from './exchange.ts';
import { headerName } from './header-kinds.ts';
import { namedOptions, withChanges, withoutNames } from './headers.ts';
import { pseudonym } from './hop.ts';

/** What decides about the headers of an answer. */
export interface AnswerRules {
  readonly inbound: Inbound;
  /** Of the host's policy. */
  readonly hsts: Hsts | undefined;
  readonly responseChanges: CompiledChanges | undefined;
}

/** Those of a backend's answer. `version`: in which HTTP version it came. */
export function responseHeaders(headers: readonly string[], version: string, rules: AnswerRules): string[] {
  const lowerCase = rules.inbound.version === '2';
  let result: string[] = [];
  let named: Set<string> | undefined;
  let via = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    const { lower, response } = headerName(name);
    if (response === undefined) result.push(lowerCase ? lower : name, value);
    else if (response === 'via') via += `${value}, `;
    else if (response === 'connection') named = namedOptions(value, named);
    else if (response === 'transport-security' && keepsTransportSecurity(rules))
      result.push(lowerCase ? lower : name, value);
  }
  if (named !== undefined) result = withoutNames(result, named);
  result.push(lowerCase ? 'via' : 'Via', `${via}${version} ${pseudonym}`);
  return finished(result, rules);
}

/** Those of an informational answer. */
export function informationalHeaders(headers: readonly string[], rules: AnswerRules): string[] {
  const lowerCase = rules.inbound.version === '2';
  const result: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const { lower, response } = headerName(headers[i] as string);
    if (response === undefined) result.push(lowerCase ? lower : (headers[i] as string), headers[i + 1] as string);
  }
  return result;
}

/** Those of an answer of our own. */
export function ownHeaders(headers: readonly string[], rules: AnswerRules): string[] {
  return finished([...headers], rules);
}

/** The route's changes, and HSTS as the policy says: once, over https, and never over http (RFC 6797 §7.2). */
function finished(headers: string[], rules: AnswerRules): string[] {
  const { responseChanges: changes, hsts, inbound } = rules;
  let result = withChanges(headers, changes);
  const changed = changes?.append.includes('strict-transport-security') === true;
  if (changed && !keepsTransportSecurity(rules)) result = withoutNames(result, transportSecurity);
  if (hsts !== undefined && inbound.connection.protocol === 'https')
    result.push('strict-transport-security', hstsText(hsts));
  return result;
}

const transportSecurity: ReadonlySet<string> = new Set(['strict-transport-security']);

function keepsTransportSecurity({ hsts, inbound }: AnswerRules): boolean {
  return hsts === undefined && inbound.connection.protocol === 'https';
}

const written = new WeakMap<Hsts, string>();

function hstsText(hsts: Hsts): string {
  let text = written.get(hsts);
  if (text === undefined) {
    const { maxAgeSeconds, includeSubdomains, preload } = hsts;
    text = `max-age=${maxAgeSeconds}${includeSubdomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`;
    written.set(hsts, text);
  }
  return text;
}
