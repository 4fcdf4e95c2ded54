/** What a route does with a request. */
import type { HeaderChanges, PathMatch, PathRewrite, RedirectAction, RouteAction } from '../../core/route.ts';
import type { Path } from '../position.ts';
import type { ProblemList } from '../problems.ts';
import type { RouteInput } from '../schema/routes.ts';
import type { Backends } from './backends.ts';

const kinds = ['backend', 'respond', 'redirect', 'tcp', 'passthrough'] as const;
export type ActionKind = (typeof kinds)[number];

/** The one action that is written; undefined, and reported, when there is none or several. */
export function actionKind(input: Partial<RouteInput>, at: Path, problems: ProblemList): ActionKind | undefined {
  const written = kinds.filter((kind) => input[kind] !== undefined);
  const [kind] = written;
  if (written.length === 1) return kind;
  const found = written.length === 0 ? 'none' : written.join(' and ');
  problems.error(
    at,
    `A route has exactly one of backend, respond, redirect, tcp and passthrough, and here is ${found}; write backend: http://127.0.0.1:3000 or respond: { status: 200 }.`,
  );
  return undefined;
}

/** Options that go with some actions only. */
const belongings: readonly { readonly keys: readonly (keyof RouteInput)[]; readonly with: readonly ActionKind[] }[] = [
  { keys: ['rewrite', 'hostHeader', 'requestHeaders'], with: ['backend'] },
  { keys: ['responseHeaders', 'methods', 'headers'], with: ['backend', 'respond', 'redirect'] },
];

export function checkBelonging(input: Partial<RouteInput>, kind: ActionKind, { at, problems }: Place): void {
  for (const { keys, with: kindsWith } of belongings) {
    for (const key of keys) {
      if (input[key] === undefined || kindsWith.includes(kind)) continue;
      problems.error([...at, key], `${key} goes with ${kindsWith.join(', ')}, not with ${kind}; leave it out.`, 'key');
    }
  }
  if (kind !== 'tcp' && kind !== 'passthrough') return;
  if (input.path !== undefined && (input.path.kind !== 'prefix' || input.path.value !== '/')) {
    problems.error([...at, 'path'], `A ${kind} route has its hosts whole and sees no paths; leave path out.`, 'key');
  }
  if (input.http === 'serve') {
    problems.error([...at, 'http'], `A ${kind} route is reached over TLS only; leave http out.`, 'key');
  }
}

interface Place {
  readonly at: Path;
  readonly problems: ProblemList;
}

interface ActionPlace extends Place {
  readonly backends: Backends;
  /** Name of the route. */
  readonly name: string;
  readonly path: PathMatch;
}

const bodyless = new Set([204, 205, 304]);

export function readAction(input: RouteInput, kind: ActionKind, place: ActionPlace): RouteAction | undefined {
  const { at, backends, name } = place;
  switch (kind) {
    case 'backend': {
      const key = backends.resolve(input.backend, { path: [...at, 'backend'], use: 'http', route: name });
      const rewrite = input.rewrite && readRewrite(input.rewrite, { ...place, at: [...at, 'rewrite'] });
      if (key === undefined) return undefined;
      return {
        kind: 'proxy',
        backend: key,
        ...(rewrite === undefined ? {} : { rewrite }),
        ...(input.hostHeader === undefined ? {} : { host: input.hostHeader }),
      };
    }
    case 'respond': {
      const { status = 200, body = '', headers = {} } = input.respond ?? {};
      if (body !== '' && bodyless.has(status)) {
        const message = `A response with status ${status} has no body (RFC 9110 §15); leave body out, or write another status.`;
        place.problems.error([...at, 'respond', 'body'], message);
      }
      return { kind, status, body, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } };
    }
    case 'redirect':
      return input.redirect && readRedirect(input.redirect, { ...place, at: [...at, 'redirect'] }, input.hosts);
    case 'tcp':
    case 'passthrough': {
      const path = [...at, kind, 'backend'];
      const key = backends.resolve(input[kind]?.backend, { path, use: kind, route: name });
      return key === undefined ? undefined : { kind, backend: key };
    }
  }
}

function readRewrite(
  { stripPrefix, replacePrefix, replacePath }: NonNullable<RouteInput['rewrite']>,
  { at, problems, path }: ActionPlace,
): PathRewrite | undefined {
  const strips = stripPrefix === true;
  const written = [strips, replacePrefix !== undefined, replacePath !== undefined].filter(Boolean).length;
  if (written !== 1) {
    problems.error(
      at,
      'A rewrite is exactly one of stripPrefix: true, replacePrefix and replacePath; write one of them.',
    );
    return undefined;
  }
  if (replacePath !== undefined) return { kind: 'replace-path', value: replacePath };
  const value = strips ? '/' : (replacePrefix ?? '/');
  return replacesPrefix(
    value,
    { at: [...at, strips ? 'stripPrefix' : 'replacePrefix'], problems, path },
    'replacePath',
  );
}

function readRedirect(
  { status, scheme, host, port, path, prefix }: NonNullable<RouteInput['redirect']>,
  place: ActionPlace,
  hosts: readonly string[],
): RedirectAction | undefined {
  const { at, problems } = place;
  if (path !== undefined && prefix !== undefined) {
    problems.error(at, 'A redirect changes the path by path or by prefix, not by both; leave one of them out.');
    return undefined;
  }
  // Another scheme alone comes back: plain http leads to https by itself, or is served by this very route.
  const elsewhere = port !== undefined || path !== undefined || prefix !== undefined;
  if (!elsewhere && (host === undefined || hosts.includes(host))) {
    const message =
      scheme === 'https' && host === undefined
        ? 'Plain http leads to https by itself (http: redirect), and https would lead to itself; write a host, port, path or prefix, too.'
        : 'This leads to where the request came from; write a host, port, path or prefix that differs.';
    problems.error(at, message);
    return undefined;
  }
  const rewrite: PathRewrite | undefined =
    path !== undefined
      ? { kind: 'replace-path', value: path }
      : prefix === undefined
        ? undefined
        : replacesPrefix(prefix, { at: [...at, 'prefix'], problems, path: place.path }, 'path');
  return {
    kind: 'redirect',
    status,
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(rewrite === undefined ? {} : { path: rewrite }),
  };
}

function replacesPrefix(
  value: string,
  { at, problems, path }: Place & { readonly path: PathMatch },
  instead: string,
): PathRewrite | undefined {
  if (path.kind === 'prefix') return { kind: 'replace-prefix', value };
  problems.error(
    at,
    `The route's path is ${path.kind === 'exact' ? 'exact' : 'a regex'}, not a prefix; write ${instead}: ${value}.`,
    'key',
  );
  return undefined;
}

/** Undefined when nothing is changed. */
export function headerChanges(input: RouteInput['requestHeaders']): HeaderChanges | undefined {
  if (input === undefined) return undefined;
  const { remove, set, add } = input;
  const empty = remove.length === 0 && Object.keys(set).length === 0 && Object.keys(add).length === 0;
  return empty ? undefined : { remove: [...new Set(remove)], set, add };
}
