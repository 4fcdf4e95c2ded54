import type { HeaderMatch, Route } from '../../core/route.ts';
import { compileChanges, headerLine, type CompiledChanges } from './header-changes.ts';
import { normalise } from './request-path.ts';
import { CertplaneError } from '../../core/errors.ts';

/** A route with everything that needs to be worked out only once. */
export interface CompiledRoute {
  readonly name: string;
  readonly action: Route['action'];
  readonly http: Route['http'];
  readonly methods: readonly string[] | undefined;
  readonly headers: readonly HeaderMatch[] | undefined;
  /** In its normal form, a prefix without trailing slash; a pattern as it is written. */
  readonly path: string;
  /** What `replace-prefix` takes off; undefined: the whole path. */
  readonly prefix: string | undefined;
  readonly requestChanges: CompiledChanges | undefined;
  readonly responseChanges: CompiledChanges | undefined;
  /** The fixed answer of a `respond` route. */
  readonly fixed: FixedAnswer | undefined;
  /** False: its backend does not exist. */
  readonly usable: boolean;
}

export interface FixedAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Throws `config.invalid`. */
export function compileRoute(route: Route, backends: Readonly<Record<string, unknown>>): CompiledRoute {
  const { name, action, http, methods, headers } = route;
  const path = route.path.kind === 'regex' ? route.path.value : normalRoutePath(route.path);
  return {
    name,
    action,
    http,
    methods,
    headers: headers?.length === 0 ? undefined : headers,
    path,
    prefix: route.path.kind === 'prefix' ? path : undefined,
    requestChanges: compileChanges(route.requestHeaders),
    responseChanges: compileChanges(route.responseHeaders),
    fixed: action.kind === 'respond' ? fixedAnswer(action) : undefined,
    usable: !('backend' in action) || Object.hasOwn(backends, action.backend),
  };
}

function normalRoutePath({ kind, value }: Route['path']): string {
  const normal = normalise(value.replaceAll(/[^\x21-\x7e]+/gu, encodeURIComponent));
  if (typeof normal === 'string' || !value.startsWith('/')) {
    const reason = typeof normal === 'string' ? normal : 'it does not begin with a slash';
    throw new CertplaneError('config.invalid', `The path ${JSON.stringify(value)} cannot be matched: ${reason}.`);
  }
  return kind === 'prefix' ? normal.path.replace(/\/+$/, '') : normal.path;
}

/** Statuses without content (RFC 9110 §15.3.5, §15.3.6, §15.4.5). */
const bodyless = new Set([204, 205, 304]);

function fixedAnswer({ status, body, headers }: Extract<Route['action'], { kind: 'respond' }>): FixedAnswer {
  const list = Object.entries(headers).flatMap(headerLine);
  if (bodyless.has(status)) return { status, headers: list, body: Buffer.alloc(0) };
  const bytes = Buffer.from(body);
  if (!list.some((name, i) => i % 2 === 0 && name === 'content-type'))
    list.push('content-type', 'text/plain; charset=utf-8');
  list.push('content-length', String(bytes.length));
  return { status, headers: list, body: bytes };
}

/** Whether all header conditions hold; each by one field line of that name (RFC 9110 §5.2). */
export function headersFit(wanted: readonly HeaderMatch[], headers: readonly string[]): boolean {
  return wanted.every(({ name, value }) => {
    for (let i = 0; i < headers.length; i += 2) {
      const candidate = headers[i] as string;
      if (candidate.length !== name.length || candidate.toLowerCase() !== name) continue;
      if (value === undefined || headers[i + 1] === value) return true;
    }
    return false;
  });
}
