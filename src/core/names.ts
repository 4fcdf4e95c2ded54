/** Host names as certificates carry them: lower-case A-labels, no trailing dot, `*.` only as the first label (RFC 6125, RFC 9525). */
import { domainToASCII } from 'node:url';

const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * The name in its one canonical form, or undefined when it cannot stand in a certificate.
 * Unicode becomes A-labels; a trailing dot goes; a wildcard keeps its `*.`.
 */
export function normaliseName(name: string): string | undefined {
  const trimmed = name.trim().replace(/\.$/, '');
  const wildcard = trimmed.startsWith('*.');
  const host = wildcard ? trimmed.slice(2) : trimmed;
  // domainToASCII keeps plain ASCII as it is; names with "_" are refused by it, so ASCII goes through untouched.
  const ascii = /^[\x20-\x7e]*$/.test(host) ? host.toLowerCase() : domainToASCII(host);
  if (ascii.length === 0 || ascii.length > 253) return undefined;
  const labels = ascii.split('.');
  if (!labels.every((part) => label.test(part))) return undefined;
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return undefined; // an IP address is no DNS name
  return wildcard ? `*.${ascii}` : ascii;
}

export function isWildcard(name: string): boolean {
  return name.startsWith('*.');
}

/** `*.apps.example.com` for `shop.apps.example.com`; undefined for a single label. */
export function wildcardFor(host: string): string | undefined {
  const dot = host.indexOf('.');
  return dot < 0 ? undefined : `*${host.slice(dot)}`;
}

/** Whether a certificate name covers a host (exact, or a wildcard over exactly one label). A wildcard covers itself. */
export function nameCovers(name: string, host: string): boolean {
  return name === host || (isWildcard(name) && name === wildcardFor(host));
}

export function namesCover(names: Iterable<string>, host: string): boolean {
  for (const name of names) if (nameCovers(name, host)) return true;
  return false;
}

/** Sorted and without repeats: two lists with the same form name the same set. */
export function canonicalNames(names: Iterable<string>): string[] {
  return [...new Set(names)].toSorted();
}

/** The host of a Host header or :authority: port and trailing dot removed, lower-case; undefined when there is none. */
export function hostOfAuthority(authority: string | undefined): string | undefined {
  if (authority === undefined || authority.length === 0 || authority.length > 300) return undefined;
  if (authority.startsWith('[')) {
    const end = authority.indexOf(']');
    return end < 0 ? undefined : authority.slice(1, end).toLowerCase();
  }
  const colon = authority.indexOf(':');
  const host = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}
