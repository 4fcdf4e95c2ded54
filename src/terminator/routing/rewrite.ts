import type { PathRewrite, RedirectAction } from '../../core/route.ts';
import type { CompiledRoute } from './compiled-route.ts';
import type { RequestPath } from './request-path.ts';

/** The path with what the route replaces; never begins with two slashes, which would read as an authority. */
export function rewritePath(path: string, { prefix }: CompiledRoute, rewrite: PathRewrite | undefined): string {
  if (rewrite === undefined || path === '*') return path;
  const { kind, value } = rewrite;
  if (kind === 'replace-path' || prefix === undefined) return value;
  const rest = path.slice(prefix.length); // empty, or begins with a slash
  const result = `${value.replace(/\/+$/, '')}${rest}`;
  return result.startsWith('/') ? result.replace(/^\/{2,}/, '/') : `/${result}`;
}

/** Where the client was led from. */
export interface RedirectedRequest {
  readonly scheme: 'http' | 'https';
  /** As the client wrote it, port included. */
  readonly authority: string;
}

/**
 * The Location of a redirect (RFC 9110 §10.2.2), always absolute. A scheme that is written out brings its usual port;
 * without one the client's port is kept. Usual ports are left out.
 */
export function redirectLocation(
  action: RedirectAction,
  route: CompiledRoute,
  { path, query }: RequestPath,
  request: RedirectedRequest,
): string {
  const scheme = action.scheme ?? request.scheme;
  const [, clientHost = '', clientPort = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(request.authority) ?? [];
  const port = action.port ?? (action.scheme === undefined && clientPort !== '' ? Number(clientPort) : undefined);
  const usual = port === undefined || port === (scheme === 'https' ? 443 : 80);
  const to = rewritePath(path === '*' ? '/' : path, route, action.path);
  return `${scheme}://${action.host ?? clientHost}${usual ? '' : `:${port}`}${to}${query}`;
}
