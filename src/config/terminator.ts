/** The terminator's settings, and what its routes and sources cannot share. */
import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import {
  defaultTimeouts,
  type KubernetesAccess,
  type Route,
  type SourceSpec,
  type TerminatorSettings,
  type TerminatorTimeouts,
} from '../core/route.ts';
import type { HostUse } from './desired.ts';
import { parseEach, parseFields, type Fields } from './issues.ts';
import { resolvePath, type PathBase } from './paths.ts';
import { formatPath, type Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { routeSchema, type RouteInput } from './schema/routes.ts';
import { sourceSchema, terminatorSchema, type TimeoutsInput } from './schema/terminator.ts';

const path = ['terminator'] as const;

type Parsed<S extends z.ZodObject> = readonly (Fields<S> | undefined)[];

export interface Terminator {
  /** Without metrics, which have a section of their own. */
  readonly settings: TerminatorSettings;
  /** Hosts that get an automatic certificate unless another covers them. */
  readonly hosts: readonly HostUse[];
}

/** Undefined when the section is no mapping; otherwise what could be read, with every problem reported. */
export function readTerminator(
  section: unknown,
  kubernetes: KubernetesAccess,
  { base, problems }: { base: PathBase; problems: ProblemList },
): Terminator | undefined {
  const parsed = parseFields(terminatorSchema, section, { path, problems, except: ['sources', 'routes'] });
  if (parsed === undefined) return undefined;
  const { fields } = parsed;
  const { sources: writtenSources, routes: writtenRoutes } = section as Record<string, unknown>;
  const each = <S extends z.ZodObject>(key: 'sources' | 'routes', value: unknown, entry: S) =>
    parseEach(terminatorSchema.shape[key], value, { entry, path: [...path, key], problems });
  const sources = readSources(each('sources', writtenSources, sourceSchema), base, problems);
  const { routes, hosts } = readRoutes(each('routes', writtenRoutes, routeSchema), problems);
  const timeouts = fields.timeouts;
  const settings: TerminatorSettings = {
    workers: fields.workers ?? availableParallelism(),
    https: fields.https?.listen ?? [],
    http: fields.http?.listen ?? [],
    routes,
    sources,
    ...(fields.defaultHost === undefined ? {} : { defaultHost: fields.defaultHost }),
    ...(sources.some(({ kind }) => kind === 'kubernetesSecrets') ? { kubernetes } : {}),
    timeouts: timeouts === undefined ? defaultTimeouts : inMilliseconds(timeouts),
  };
  if (fields.https?.listen.length === 0 && fields.http?.listen.length === 0) {
    problems.error(
      path,
      'The terminator listens nowhere; write https: { listen: ":443" }, or leave the section out.',
      'key',
    );
  }
  return { settings, hosts };
}

function inMilliseconds({
  handshake,
  header,
  idle,
  backendConnect,
  backendIdle,
  drain,
}: TimeoutsInput): TerminatorTimeouts {
  return {
    handshakeMs: handshake,
    headerMs: header,
    idleMs: idle,
    backendConnectMs: backendConnect,
    backendIdleMs: backendIdle,
    drainMs: drain,
  };
}

function readSources(inputs: Parsed<typeof sourceSchema>, base: PathBase, problems: ProblemList): SourceSpec[] {
  const sources: SourceSpec[] = [];
  for (const [i, input] of inputs.entries()) {
    if (input?.complete !== true) continue;
    const { files, kubernetesSecrets } = input.fields;
    const at = [...path, 'sources', i];
    if ((files === undefined) === (kubernetesSecrets === undefined)) {
      const message =
        'A source is exactly one of files and kubernetesSecrets; write one of them, and a list entry for each.';
      problems.error(at, message);
      continue;
    }
    const source: SourceSpec =
      files === undefined
        ? { kind: 'kubernetesSecrets', namespace: kubernetesSecrets?.namespace, selector: kubernetesSecrets?.selector }
        : { kind: 'files', directory: resolvePath(files.directory, base) };
    if (sources.some((other) => JSON.stringify(other) === JSON.stringify(source))) {
      problems.error(at, 'This source is listed twice; leave one of them out.');
    } else sources.push(source);
  }
  return sources;
}

function readRoutes(inputs: Parsed<typeof routeSchema>, problems: ProblemList): { routes: Route[]; hosts: HostUse[] } {
  const routes: Route[] = [];
  const hosts: HostUse[] = [];
  const first = new Map<string, Path>();
  for (const [i, input] of inputs.entries()) {
    if (input === undefined) continue;
    const { hosts: written = [], path: prefix = '/', automaticCertificate = true } = input.fields;
    const at = [...path, 'routes', i];
    for (const [j, host] of written.entries()) {
      const key = `${host}${prefix}`;
      const before = first.get(key);
      const here = [...at, 'hosts', j];
      if (before === undefined) first.set(key, here);
      else if (input.complete)
        problems.error(
          here,
          `${host} with path ${prefix} is already routed by ${formatPath(before)}; write another path, or leave one out.`,
        );
      if (automaticCertificate) hosts.push({ host, path: here });
    }
    const action = input.complete ? readAction(input.fields, at, problems) : undefined;
    if (action !== undefined) routes.push({ hosts: [...new Set(written)], path: prefix, action });
  }
  return { routes, hosts };
}

function readAction(
  { backend, respond }: Partial<RouteInput>,
  at: Path,
  problems: ProblemList,
): Route['action'] | undefined {
  if (backend !== undefined && respond === undefined) return { kind: 'proxy', origin: backend };
  if (respond !== undefined && backend === undefined) {
    const headers = { 'content-type': 'text/plain; charset=utf-8', ...respond.headers };
    return { kind: 'respond', status: respond.status, body: respond.body, headers };
  }
  const found = backend === undefined ? 'neither' : 'both';
  problems.error(
    at,
    `A route has exactly one of backend and respond, and here is ${found}; write backend: http://127.0.0.1:3000 or respond: { status: 200 }.`,
  );
  return undefined;
}
