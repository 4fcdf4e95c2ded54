/** What certificates and issuers ask of each other: that the issuer exists, can prove the names, and takes the lifetime. */
import { acmeDirectories } from '../core/acme-directories.ts';
import type { CertificateSpec } from '../core/certificate.ts';
import { formatDuration } from '../core/duration.ts';
import { isWildcard } from '../core/names.ts';
import { solverForName } from '../core/solver-selection.ts';
import { builtInIssuer, builtInName, type Issuers } from './issuers.ts';
import type { AcmeIssuerConfig, IssuerConfig } from './model.ts';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { nearest } from './values/nearest.ts';

export interface Wanted {
  readonly path: Path;
  readonly spec: Omit<CertificateSpec, 'issuers'>;
  /** As written; absent: the default ones. */
  readonly issuers?: readonly string[] | undefined;
  readonly unreadIssuers?: boolean | undefined;
}

/** Issuers of certificates that name none: as written, else `letsencrypt`, else the only issuer of the file. */
function defaultIssuers(written: readonly string[] | undefined, { names }: Issuers): readonly string[] | undefined {
  if (written !== undefined) return written;
  if (names.length === 0 || names.includes(builtInName)) return [builtInName];
  return names.length === 1 ? names : undefined;
}

export interface Resolved {
  readonly certificates: readonly CertificateSpec[];
  readonly issuers: readonly IssuerConfig[];
}

export function resolveIssuers(
  wanted: readonly Wanted[],
  issuers: Issuers,
  { written, problems }: { written: readonly string[] | undefined; problems: ProblemList },
): Resolved {
  const known = [...new Set([...issuers.names, builtInName])];
  const usesBuiltIn = !issuers.names.includes(builtInName);
  const defaults = defaultIssuers(written, issuers);
  const unknown = new Set<string>();
  const check = (name: string, path: Path): boolean => {
    if (known.includes(name)) return true;
    unknown.add(name);
    problems.error(path, unknownIssuer(name, known));
    return false;
  };
  for (const [i, name] of (written ?? []).entries()) check(name, ['defaults', 'issuers', i]);

  const find = (name: string): IssuerConfig | undefined =>
    issuers.parsed.get(name) ?? (name === builtInName && usesBuiltIn ? builtInIssuer : undefined);
  const certificates: CertificateSpec[] = [];
  const used = new Set<string>();
  let undecided: Path | undefined;
  for (const { path, spec, issuers: own, unreadIssuers } of wanted) {
    if (unreadIssuers === true) continue;
    for (const [i, name] of (own ?? []).entries()) check(name, [...path, 'issuers', i]);
    const names = own ?? defaults;
    if (names === undefined) undecided ??= path;
    else {
      const found = names.map(find).filter((issuer) => issuer !== undefined);
      const complete = found.length === names.length;
      checkAbilities(path, spec, { issuers: found, complete }, problems);
      checkLifetime(path, spec, { issuers: found, complete }, problems);
      for (const name of names) used.add(name);
      certificates.push({ ...spec, issuers: names });
    }
  }
  if (undecided !== undefined) {
    const list = issuers.names.join(', ');
    const message = `Which issuer is meant is not clear, because there are several (${list}); write defaults: { issuers: [${issuers.names[0]}] } or name issuers here.`;
    problems.error(undecided, message, 'key');
  }
  const builtIn = usesBuiltIn && (used.has(builtInName) || issuers.names.length === 0) ? [builtInIssuer] : [];
  return { certificates, issuers: [...issuers.parsed.values(), ...builtIn] };
}

function unknownIssuer(name: string, known: readonly string[]): string {
  const close = nearest(name, known);
  const instead = close ?? `one of ${known.slice(0, 10).join(', ')}, or define it under issuers`;
  return `There is no issuer ${JSON.stringify(name)}; write ${instead}.`;
}

function checkAbilities(
  path: Path,
  spec: Wanted['spec'],
  { issuers, complete }: { issuers: readonly IssuerConfig[]; complete: boolean },
  problems: ProblemList,
): void {
  const acme = issuers.filter((issuer) => issuer.kind === 'acme');
  const [first] = acme;
  if (first === undefined) return;
  if (spec.lifetimeMs !== undefined) {
    const message = `The issuer ${first.name} is an ACME CA, which decides the lifetime itself: leave lifetime out (with ACME, use profile where the CA offers several: an option that a later version of Certplane brings), or write a private issuer.`;
    problems.error([...path, 'lifetime'], message, 'key');
  }
  // With another issuer in the list, or one that could not be read, the certificate may still be had.
  const only = complete && acme.length === issuers.length;
  for (const [i, name] of spec.dnsNames.entries()) {
    const at = path[0] === 'certificates' ? [...path, 'dnsNames', i] : path;
    const unable = acme.map((issuer) => inability(issuer, name));
    const reason = unable.find((sentence) => sentence !== undefined);
    if (reason === undefined) continue;
    if (only && unable.every((sentence) => sentence !== undefined)) problems.error(at, reason);
    else problems.warning(at, reason);
  }
  const local = spec.dnsNames.find(isPrivateName);
  if (local !== undefined && Object.values(acmeDirectories).includes(first.directory)) {
    const message = `The public CA behind ${first.name} issues nothing for ${local}; write a private issuer, for example local: { ca: {} } under issuers.`;
    problems.warning(path, message);
  }
}

function checkLifetime(
  path: Path,
  { lifetimeMs }: Wanted['spec'],
  { issuers, complete }: { issuers: readonly IssuerConfig[]; complete: boolean },
  problems: ProblemList,
): void {
  if (lifetimeMs === undefined) return;
  const tooShort = issuers.filter((issuer) => issuer.kind === 'ca' && issuer.lifetimeMs < lifetimeMs);
  const [first] = tooShort;
  if (first?.kind !== 'ca') return;
  const message = `The root of ${first.name} lasts ${formatDuration(first.lifetimeMs)} itself, and signs nothing for longer; write a shorter lifetime, or a longer one for the ca.`;
  if (complete && tooShort.length === issuers.length) problems.error([...path, 'lifetime'], message);
  else problems.warning([...path, 'lifetime'], message);
}

function inability({ name: issuer, solvers }: AcmeIssuerConfig, name: string): string | undefined {
  if (isWildcard(name)) {
    return `A wildcard cannot be proved over http-01 (RFC 8555 §8.3), and ${issuer} has no other solver; write the names one by one, or a private issuer.`;
  }
  if (solverForName(solvers, name) !== undefined) return undefined;
  return `No solver of ${issuer} is for ${name}; add it to dnsNames or dnsZones of a solver, or write one without them.`;
}

/** Names that no public CA can issue for (RFC 6761, RFC 8375, CA/Browser Forum BR 7.1.2.7.12). */
function isPrivateName(name: string): boolean {
  return /(?:^|\.)(?:localhost|local|internal|test|invalid|example|home\.arpa)$/.test(name) || !name.includes('.');
}
