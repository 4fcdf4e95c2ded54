/** The terminator's settings: every part read, and what two parts cannot have together. */
import { availableParallelism } from 'node:os';
import type { z } from 'zod';
import { wildcardFor } from '../../core/names.ts';
import type {
  AccessLog,
  KubernetesAccess,
  TerminatorLimits,
  TerminatorSettings,
  TerminatorTimeouts,
} from '../../core/terminator.ts';
import type { HostUse } from '../desired.ts';
import { parseFields, type Fields } from '../issues.ts';
import { resolvePath } from '../paths.ts';
import type { accessLogSchema, limitsSchema, timeoutsSchema } from '../schema/limits.ts';
import { terminatorSchema } from '../schema/terminator.ts';
import { isEverything } from '../values/networks.ts';
import { Backends } from './backends.ts';
import { namedFile, type TerminatorContext } from './context.ts';
import { readHosts, warnOfUnrouted, withoutAlpn, type Hosts } from './hosts.ts';
import { readRoutes, type Routes } from './routes.ts';
import { readSources } from './sources.ts';
import { policyOf, readTls } from './tls.ts';

const path = ['terminator'] as const;
/** Read part by part, so that one wrong entry hides nothing about the others. */
const parts = ['tls', 'hosts', 'sources', 'backends', 'routes'] as const;

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
  context: TerminatorContext,
): Terminator | undefined {
  const { problems } = context;
  const parsed = parseFields(terminatorSchema, section, { path, problems, except: parts });
  if (parsed === undefined) return undefined;
  const { fields } = parsed;
  const written = section as Readonly<Record<(typeof parts)[number], unknown>>;
  const sources = readSources(written.sources, [...path, 'sources'], context);
  const general = readTls(written.tls, [...path, 'tls'], context);
  const tls = policyOf([general], [...path, 'tls'], context);
  const hosts = readHosts(written.hosts, [...path, 'hosts'], { general, fallback: tls, sources, context });
  const backends = new Backends(written.backends, [...path, 'backends'], context);
  const routes = readRoutes(written.routes, [...path, 'routes'], { backends, context });
  backends.warnOfUnused();
  checkListening(fields, context);
  checkTogether(routes, hosts, { defaultHost: fields.defaultHost, context });
  const { defaultHost, ticketKeys, accessLog, limits, timeouts, user, group } = fields;
  if (user === undefined && group !== undefined)
    problems.error([...path, 'group'], 'A group alone is not enough for workers to give up rights; write user, too.');
  return {
    settings: {
      workers: fields.workers ?? availableParallelism(),
      ...(user === undefined ? {} : { runAs: { user, ...(group === undefined ? {} : { group }) } }),
      https: fields.https?.listen ?? [],
      http: fields.http?.listen ?? [],
      proxyProtocol: {
        https: fields.https?.proxyProtocol ?? false,
        http: fields.http?.proxyProtocol ?? false,
      },
      trustedProxies: [...new Set(fields.trustedProxies)],
      routes: routes.routes,
      backends: backends.all(),
      hosts: withoutAlpn(hosts, {
        tcp: routes.routes.flatMap((route) => (route.action.kind === 'tcp' ? route.hosts : [])),
        others: [...routes.routes.flatMap((route) => route.hosts), ...context.adminHosts],
      }),
      tls,
      sources,
      ...(defaultHost === undefined ? {} : { defaultHost }),
      ...(ticketKeys === undefined
        ? {}
        : { ticketKeysFile: namedFile('ticket-keys', ticketKeys.file, [...path, 'ticketKeys', 'file'], context) }),
      ...(sources.some(({ kind }) => kind === 'kubernetesSecrets') ? { kubernetes } : {}),
      timeouts: timeoutsOf(timeouts ?? terminatorSchema.shape.timeouts.parse(undefined)),
      limits: limitsOf(limits ?? terminatorSchema.shape.limits.parse(undefined)),
      ...(accessLog === undefined ? {} : { accessLog: accessLogOf(accessLog, context) }),
    },
    hosts: routes.hosts.filter(({ host }) => !hosts.servedFromElsewhere(host)),
  };
}

function checkListening(
  { https, http, trustedProxies }: Fields<typeof terminatorSchema>['fields'],
  context: TerminatorContext,
): void {
  const { problems } = context;
  if (https?.listen.length === 0 && http?.listen.length === 0) {
    const message = 'The terminator listens nowhere; write https: { listen: ":443" }, or leave the section out.';
    problems.error(path, message, 'key');
  }
  for (const [key, listener] of Object.entries({ https, http })) {
    if (listener?.proxyProtocol !== true || trustedProxies?.length !== 0) continue;
    const message =
      'Who may send PROXY headers has to be said, because they name the client; write trustedProxies: [10.0.0.0/8].';
    problems.error([...path, key, 'proxyProtocol'], message);
  }
  for (const [i, cidr] of (trustedProxies ?? []).entries()) {
    if (!isEverything(cidr)) continue;
    const message = `${cidr} is everybody, and everybody can then say which address they come from; write the networks of your proxies.`;
    problems.warning([...path, 'trustedProxies', i], message);
  }
}

function checkTogether(
  { routes, places }: Routes,
  hosts: Hosts,
  { defaultHost, context }: { defaultHost: string | undefined; context: TerminatorContext },
): void {
  const { problems, adminHosts } = context;
  const routed = new Set([...routes.flatMap((route) => route.hosts), ...adminHosts]);
  warnOfUnrouted(hosts, routed, context);
  const whole = new Map(
    routes.flatMap((route) =>
      route.action.kind === 'tcp' || route.action.kind === 'passthrough'
        ? route.hosts.map((host) => [host, route] as const)
        : [],
    ),
  );
  for (const route of routes) {
    const place = places.get(route.name) ?? path;
    const host = route.hosts.find((one) => hosts.policyFor(one).clientCertificates !== undefined);
    if (route.http !== 'serve' || host === undefined) continue;
    const message = `Over plain http nobody is asked for a certificate, and ${host} has clientCertificates; leave http out.`;
    problems.error([...place, 'http'], message);
  }
  for (const [i, host] of adminHosts.entries()) {
    const route = whole.get(host);
    if (route === undefined) continue;
    const message = `${host} belongs whole to the ${route.action.kind} route ${route.name}, so the admin page cannot be there; write another name.`;
    problems.error(['admin', 'hosts', i], message);
  }
  for (const [name, place] of hosts.places) {
    if (whole.get(name)?.action.kind !== 'passthrough') continue;
    problems.warning(place, `TLS for ${name} goes through to its backend unread, so this has no effect; leave it out.`);
  }
  const owner = whole.get(defaultHost ?? '') ?? whole.get(wildcardFor(defaultHost ?? '') ?? '');
  if (owner?.action.kind === 'passthrough' && routed.has(defaultHost ?? '') === whole.has(defaultHost ?? '')) {
    const message = `${defaultHost} goes through to its backend unread, so there is no certificate of it to answer with; write another host.`;
    problems.error([...path, 'defaultHost'], message);
  }
}

function timeoutsOf({
  handshake,
  header,
  body,
  idle,
  tunnelIdle,
  drain,
}: z.output<typeof timeoutsSchema>): TerminatorTimeouts {
  return {
    handshakeMs: handshake,
    headerMs: header,
    bodyMs: body,
    idleMs: idle,
    tunnelIdleMs: tunnelIdle,
    drainMs: drain,
  };
}

function limitsOf({ header, body, ...counts }: z.output<typeof limitsSchema>): TerminatorLimits {
  return { headerBytes: header, bodyBytes: body, ...counts };
}

function accessLogOf(
  { format, file, sample }: z.output<typeof accessLogSchema>,
  { base }: TerminatorContext,
): AccessLog {
  return { format, sample, ...(file === undefined ? {} : { file: resolvePath(file, base) }) };
}
