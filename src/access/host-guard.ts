/**
 * Which Host and Origin values the admin page answers to. Against DNS rebinding: a page of another name that resolves
 * to loopback carries that name in Host. Against CSRF: an unsafe request must come from a page of our own.
 */
import { CertplaneError } from '../core/errors.ts';
import { hostOfAuthority } from '../core/names.ts';
import type { ListenAddress } from '../core/terminator.ts';
import { formatAddress } from '../core/listen-address.ts';

export interface HostGuard {
  /** Throws `api.origin-refused`. */
  check(request: GuardedRequest): void;
}

export interface GuardedRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** The Sec-Fetch-Site header (W3C Fetch Metadata). */
  readonly fetchSite: string | undefined;
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const defaultHttpPort = 80;

/** `allowedHosts`: names from `admin.hosts`, with a port (only that one) or without (any). */
export function createHostGuard(listen: ListenAddress, allowedHosts: readonly string[]): HostGuard {
  const loopback = ['localhost', '127.0.0.1', '::1', listen.host].map((host) => formatAddress({ ...listen, host }));
  const exact = new Set([...loopback, ...allowedHosts].map((host) => host.toLowerCase()));
  if (listen.port === defaultHttpPort) for (const host of loopback) exact.add(host.slice(0, host.lastIndexOf(':')));
  const anyPort = new Set(allowedHosts.map((host) => host.toLowerCase()));

  return {
    check({ method, host, origin, fetchSite }) {
      const authority = host?.toLowerCase();
      const name = hostOfAuthority(authority);
      if (authority === undefined || name === undefined || !(exact.has(authority) || anyPort.has(name))) {
        throw new CertplaneError(
          'api.origin-refused',
          `This server does not answer to the host ${quote(host)}. Use ${loopback[0]}, or add the name to admin.hosts.`,
        );
      }
      if (safeMethods.has(method)) return;
      // Programs send neither header; every browser sends at least one with an unsafe request.
      if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') refuse();
      if (origin !== undefined && originAuthority(origin) !== withoutDefaultPort(authority)) refuse();
    },
  };
}

function refuse(): never {
  throw new CertplaneError('api.origin-refused', 'The request was sent by a page of another origin.');
}

function originAuthority(origin: string): string | undefined {
  const url = URL.parse(origin);
  return url === null || !/^https?:$/.test(url.protocol) ? undefined : url.host.toLowerCase();
}

/** `Origin` never carries a default port; `Host` may. */
function withoutDefaultPort(authority: string): string {
  return authority.replace(/:(?:80|443)$/, '');
}

function quote(host: string | undefined): string {
  return host === undefined ? '(none)' : JSON.stringify(host.slice(0, 100));
}
