/** Certificate and TLS policy of some host names. */
import { namesCover, wildcardFor } from '../../core/names.ts';
import type { HostSettings } from '../../core/terminator.ts';
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
}

interface Entry {
  readonly names: readonly string[];
  readonly certificateId: string | undefined;
  readonly tls: TlsPolicy | undefined;
}

/** `general` is the layer of `terminator.tls`, and `fallback` its policy. */
export function readHosts(
  value: unknown,
  path: Path,
  { general, fallback, context }: { general: TlsLayer; fallback: TlsPolicy; context: TerminatorContext },
): Hosts {
  const { problems } = context;
  const inputs = parseEach(terminatorSchema.shape.hosts, value, { entry: hostSchema, path, problems });
  const entries: Entry[] = [];
  const places = new Map<string, Path>();
  const policies = new Map<string, TlsPolicy>();
  for (const [i, input] of inputs.entries()) {
    if (input === undefined) continue;
    const at = [...path, i];
    const { names = [], certificate, tls: written } = input.fields;
    if (input.complete && certificate === undefined && written === undefined) {
      problems.error(at, 'This says nothing about these names; write certificate: shop or tls: { preset: modern }.');
    }
    const layer = readTls(written, [...at, 'tls'], context);
    const tls = written === undefined ? undefined : policyOf([general, layer], [...at, 'tls'], context);
    const certificateId = certificate === undefined ? undefined : boundCertificate(certificate, names, { at, context });
    for (const [j, name] of names.entries()) {
      const before = places.get(name);
      const here = [...at, 'names', j];
      if (before !== undefined) {
        const message = `${name} already stands in ${formatPath(before)}; write everything about a name into one entry.`;
        problems.error(here, message);
      } else places.set(name, here);
      if (tls !== undefined) policies.set(name, tls);
    }
    entries.push({ names, certificateId, tls });
  }
  const wildcardPolicy = (host: string): TlsPolicy | undefined => policies.get(wildcardFor(host) ?? '');
  return {
    settings: entries.flatMap((entry) => settingsOf(entry, wildcardPolicy)),
    places,
    policyFor: (host) => policies.get(host) ?? wildcardPolicy(host) ?? fallback,
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

function boundCertificate(
  name: string,
  hosts: readonly string[],
  { at, context }: { at: Path; context: TerminatorContext },
): string | undefined {
  const id = certificateIdOf(name, [...at, 'certificate'], context);
  const covered = context.certificates.get(name) ?? [];
  for (const [j, host] of covered.length === 0 ? [] : hosts.entries()) {
    if (namesCover(covered, host)) continue;
    const message = `The certificate ${name} is not for ${host} (it is for ${covered.slice(0, 5).join(', ')}); add it to its dnsNames, or write another certificate.`;
    context.problems.error([...at, 'names', j], message);
  }
  return id;
}

/** Hosts of tcp routes: which protocol is inside TLS is the backend's business, so none is negotiated with ALPN. */
export function withoutAlpn(hosts: Hosts, tcp: readonly string[]): readonly HostSettings[] {
  const bytes = new Set(tcp);
  const plain = (name: string, certificateId: string | undefined): HostSettings => {
    const tls = { ...hosts.policyFor(name), alpn: [] };
    return { names: [name], tls, ...(certificateId === undefined ? {} : { certificateId }) };
  };
  const said = hosts.settings.flatMap((written): HostSettings[] => {
    const others = written.names.filter((name) => !bytes.has(name));
    const own = written.names.filter((name) => bytes.has(name)).map((name) => plain(name, written.certificateId));
    return others.length === 0 ? own : [{ ...written, names: others }, ...own];
  });
  const unsaid = [...bytes].filter((name) => !hosts.places.has(name));
  return [...said, ...unsaid.map((name) => plain(name, undefined))];
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
