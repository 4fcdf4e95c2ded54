/** Certificate and TLS policy of some host names. */
import { namesCover, wildcardFor } from '../../core/names.ts';
import type { HostSettings, SourceSpec } from '../../core/terminator.ts';
import type { TlsPolicy } from '../../core/tls-policy.ts';
import { parseEach } from '../issues.ts';
import { formatPath, type Path } from '../position.ts';
import { hostSchema, terminatorSchema } from '../schema/terminator.ts';
import { certificateIdOf, type TerminatorContext } from './context.ts';
import { policyOf, readTls, type TlsLayer } from './tls.ts';

export interface Hosts {
  readonly settings: readonly HostSettings[];
  /** Where the file speaks of a name, exact or wildcard. */
  readonly places: ReadonlyMap<string, Path>;
  /** The policy that a host gets. */
  policyFor(host: string): TlsPolicy;
  /** Whether the host is served by a certificate of `sources`, so that it needs none of its own. */
  servedFromElsewhere(host: string): boolean;
}

interface Entry {
  readonly names: readonly string[];
  readonly certificateId: string | undefined;
  readonly tls: TlsPolicy | undefined;
}

export interface AroundHosts {
  /** The layer of `terminator.tls`, and its policy. */
  readonly general: TlsLayer;
  readonly fallback: TlsPolicy;
  readonly sources: readonly SourceSpec[];
  readonly context: TerminatorContext;
}

export function readHosts(value: unknown, path: Path, around: AroundHosts): Hosts {
  const { general, fallback, context } = around;
  const { problems } = context;
  const inputs = parseEach(terminatorSchema.shape.hosts, value, { entry: hostSchema, path, problems });
  const entries: Entry[] = [];
  const places = new Map<string, Path>();
  const policies = new Map<string, TlsPolicy>();
  const bound = new Map<string, string>();
  for (const [i, input] of inputs.entries()) {
    if (input === undefined) continue;
    const at = [...path, i];
    const { names = [], certificate, tls: written } = input.fields;
    if (input.complete && certificate === undefined && written === undefined) {
      problems.error(at, 'This says nothing about these names; write certificate: shop or tls: { preset: modern }.');
    }
    const layer = readTls(written, [...at, 'tls'], context);
    const tls = written === undefined ? undefined : policyOf([general, layer], [...at, 'tls'], context);
    const certificateId = certificate === undefined ? undefined : boundCertificate(certificate, names, { at, around });
    for (const [j, name] of names.entries()) {
      const before = places.get(name);
      const here = [...at, 'names', j];
      if (before !== undefined) {
        const message = `${name} already stands in ${formatPath(before)}; write everything about a name into one entry.`;
        problems.error(here, message);
      } else places.set(name, here);
      if (tls !== undefined) policies.set(name, tls);
      if (certificateId !== undefined) bound.set(name, certificateId);
    }
    entries.push({ names, certificateId, tls });
  }
  const wildcardPolicy = (host: string): TlsPolicy | undefined => policies.get(wildcardFor(host) ?? '');
  return {
    settings: entries.flatMap((entry) => settingsOf(entry, wildcardPolicy)),
    places,
    policyFor: (host) => policies.get(host) ?? wildcardPolicy(host) ?? fallback,
    servedFromElsewhere: (host) =>
      (bound.get(host) ?? bound.get(wildcardFor(host) ?? ''))?.startsWith(elsewhere) === true,
  };
}

/** A name that says nothing about TLS has what is said for the wildcard above it: so it stands in the settings. */
function settingsOf(
  { names, certificateId, tls }: Entry,
  wildcardPolicy: (host: string) => TlsPolicy | undefined,
): HostSettings[] {
  const settings: HostSettings[] = [];
  for (const [policy, group] of Map.groupBy(names, (name) => tls ?? wildcardPolicy(name))) {
    settings.push({
      names: group,
      ...(certificateId === undefined ? {} : { certificateId }),
      ...(policy === undefined ? {} : { tls: policy }),
    });
  }
  return settings;
}

/** Ids of what is not Certplane's own begin with this. */
const elsewhere = 'seen/';

function boundCertificate(
  name: string,
  hosts: readonly string[],
  { at, around: { context, sources } }: { at: Path; around: AroundHosts },
): string | undefined {
  if (name.startsWith(elsewhere)) {
    const [, kind, namespace] = name.split('/');
    const found = sources.some((source) =>
      source.kind === 'files' ? kind === 'files' : kind === 'secrets' && (source.namespace ?? namespace) === namespace,
    );
    const message = `No source under sources has ${name}; add ${kind === 'files' ? 'files: { directory: /etc/certs }' : `kubernetesSecrets: { namespace: ${namespace} }`}, or write another certificate.`;
    if (!found) context.problems.error([...at, 'certificate'], message);
    return name;
  }
  const id = certificateIdOf(name, [...at, 'certificate'], context);
  const covered = context.certificates.get(name) ?? [];
  for (const [j, host] of covered.length === 0 ? [] : hosts.entries()) {
    if (namesCover(covered, host)) continue;
    const message = `The certificate ${name} is not for ${host} (it is for ${covered.slice(0, 5).join(', ')}); add it to its dnsNames, or write another certificate.`;
    context.problems.error([...at, 'names', j], message);
  }
  return id;
}

/**
 * Which protocol is inside TLS is the backend's business on a tcp route, so none is negotiated with ALPN for its hosts.
 * Others below such a wildcard say for themselves what holds for them, or they would have the wildcard's.
 */
export function withoutAlpn(
  hosts: Hosts,
  { tcp, others }: { tcp: readonly string[]; others: readonly string[] },
): readonly HostSettings[] {
  const bytes = new Set(tcp);
  const differs = (name: string): boolean => bytes.has(name) || bytes.has(wildcardFor(name) ?? '');
  const own = (name: string, certificateId: string | undefined): HostSettings => {
    const policy = hosts.policyFor(name);
    const tls = bytes.has(name) ? { ...policy, alpn: [] } : policy;
    return { names: [name], tls, ...(certificateId === undefined ? {} : { certificateId }) };
  };
  const said = hosts.settings.flatMap((written): HostSettings[] => {
    const same = written.names.filter((name) => !differs(name));
    const different = written.names.filter(differs).map((name) => own(name, written.certificateId));
    return same.length === 0 ? different : [{ ...written, names: same }, ...different];
  });
  const unsaid = [...new Set([...tcp, ...others])].filter((name) => differs(name) && !hosts.places.has(name));
  return [...said, ...unsaid.map((name) => own(name, undefined))];
}

/** A slip in a name would leave the host without its policy. */
export function warnOfUnrouted(hosts: Hosts, routed: ReadonlySet<string>, { problems }: TerminatorContext): void {
  const above = new Set([...routed].map(wildcardFor));
  for (const [name, path] of hosts.places) {
    if (routed.has(name) || routed.has(wildcardFor(name) ?? '')) continue;
    if (above.has(name)) continue;
    problems.warning(path, `No route is for ${name}, so this has no effect; add a route, or mend the name.`);
  }
}
