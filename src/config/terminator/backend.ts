/** One backend: its endpoints, and how it is spoken to. */
import { join } from 'node:path';
import {
  backendDefaults,
  type ActiveHealth,
  type Backend,
  type BackendTls,
  type Endpoint,
} from '../../core/backend.ts';
import { parseFields, parsePart, isMapping } from '../issues.ts';
import { resolvePath } from '../paths.ts';
import { formatPath, type Path } from '../position.ts';
import { rootFile } from '../root-file.ts';
import { backendSchema, endpointSchema, type BackendInput } from '../schema/backends.ts';
import type { CaSource } from '../values/backends.ts';
import { schemes, type Scheme, type WrittenEndpoint } from '../values/endpoints.ts';
import { nearest } from '../values/nearest.ts';
import { certificateIdOf, namedFile, type TerminatorContext } from './context.ts';

const defaultTls: BackendTls = { verify: true, caFiles: [], minVersion: 'TLSv1.2' };

/** As a URL says it, everything else by default. */
export function backendAt(written: WrittenEndpoint, path: Path, context: TerminatorContext): Backend | undefined {
  const endpoint = withPath(written, 1, { path, context });
  if (endpoint === undefined) return undefined;
  const meaning = written.scheme === undefined ? undefined : schemes[written.scheme];
  return {
    ...backendDefaults,
    endpoints: [endpoint],
    ...(meaning?.protocol === undefined ? {} : { protocol: meaning.protocol }),
    ...(meaning?.tls === true ? { tls: defaultTls } : {}),
  };
}

/** Undefined when there is a problem, which is reported. */
export function readBackend(value: unknown, path: Path, context: TerminatorContext): Backend | undefined {
  const { problems } = context;
  const before = problems.errors;
  const parsed = parseFields(backendSchema, value, { path, problems, except: ['endpoints'] });
  if (parsed === undefined) return undefined;
  const { scheme, endpoints } = readEndpoints(
    (value as { endpoints?: unknown }).endpoints,
    [...path, 'endpoints'],
    context,
  );
  if (problems.errors > before) return undefined;
  const input = parsed.fields as BackendInput;
  const meaning = scheme === undefined ? undefined : schemes[scheme];
  const protocol = meaning?.protocol ?? input.protocol ?? backendDefaults.protocol;
  checkScheme(scheme, input, path, context);
  const tls =
    input.tls === undefined
      ? meaning?.tls === true
        ? defaultTls
        : undefined
      : readBackendTls(input.tls, endpoints, { path: [...path, 'tls'], context });
  const activeHealth = input.health && readHealth(input.health, protocol, { path: [...path, 'health'], context });
  if (problems.errors > before) return undefined;
  const { balance, passiveHealth, slowStart, retries, maxRequests, maxConnections, timeouts, maxIdle } = input;
  return {
    endpoints,
    protocol,
    ...(tls === undefined ? {} : { tls }),
    balance,
    ...(activeHealth === undefined ? {} : { activeHealth }),
    passiveHealth: { failures: passiveHealth.failures, ejectMs: passiveHealth.eject },
    slowStartMs: slowStart,
    retries,
    maxRequests,
    maxConnections,
    timeouts: { connectMs: timeouts.connect, firstByteMs: timeouts.firstByte, idleMs: timeouts.idle },
    maxIdle,
    ...(input.proxyProtocol === undefined ? {} : { proxyProtocol: input.proxyProtocol }),
  };
}

function readEndpoints(
  value: unknown,
  path: Path,
  context: TerminatorContext,
): { endpoints: Endpoint[]; scheme: Scheme | undefined } {
  const { problems } = context;
  const list = parsePart(backendSchema.shape.endpoints, value, path, problems) ?? [];
  const endpoints: Endpoint[] = [];
  const places = new Map<string, Path>();
  let first: { readonly scheme: Scheme; readonly at: Path } | undefined;
  for (const [i, one] of list.entries()) {
    const at = [...path, i];
    const mapping = isMapping(one) ? parsePart(endpointSchema, one, at, problems) : undefined;
    const written = isMapping(one) ? mapping?.address : parsePart(endpointSchema.shape.address, one, at, problems);
    if (written === undefined) continue;
    const { scheme, text } = written;
    if (scheme !== undefined) first ??= { scheme, at };
    if (scheme !== undefined && scheme !== first?.scheme) {
      const message = `All endpoints of a backend are reached in the same way, and ${formatPath(first?.at ?? at)} is ${first?.scheme}://; write ${first?.scheme}:// here, too, or a backend of its own.`;
      problems.error(at, message);
    }
    const before = places.get(text);
    if (before === undefined) places.set(text, at);
    else
      problems.error(at, `${text} is already ${formatPath(before)}; keep one of them, with a weight if it gets more.`);
    const endpoint = withPath(written, mapping?.weight ?? 1, { path: at, context });
    if (endpoint !== undefined) endpoints.push(endpoint);
  }
  const allRead = endpoints.length > 0 && endpoints.length === list.length;
  if (allRead && endpoints.every(({ weight }) => weight === 0)) {
    problems.error(path, 'Every endpoint has the weight 0, so none would get a request; give one of them a weight.');
  }
  return { endpoints, scheme: first?.scheme };
}

/** The longest path that fits into a socket address on Linux. */
const longestSocketPath = 107;

function withPath(
  { address }: WrittenEndpoint,
  weight: number,
  { path, context }: { path: Path; context: TerminatorContext },
): Endpoint | undefined {
  if (!('unixPath' in address)) return { ...address, weight };
  const unixPath = resolvePath(address.unixPath, context.base);
  const problem = socketProblem(unixPath, context);
  if (problem === undefined) return { unixPath, weight };
  context.problems.error(path, problem);
  return undefined;
}

function socketProblem(unixPath: string, { dataDir }: TerminatorContext): string | undefined {
  // Who may open them may do everything and read every key: nothing there asks for a login.
  if (unixPath.startsWith(`${join(dataDir, 'run')}/`)) {
    return `${unixPath} is a socket of Certplane itself, where nobody has to log in; write the socket of your application, or the host in admin.hosts for the admin page.`;
  }
  return Buffer.byteLength(unixPath) > longestSocketPath
    ? `The path of a unix socket has at most ${longestSocketPath} bytes; write a shorter one than ${unixPath}.`
    : undefined;
}

function checkScheme(
  scheme: Scheme | undefined,
  input: BackendInput,
  path: Path,
  { problems }: TerminatorContext,
): void {
  if (scheme === undefined) return;
  const { protocol, tls }: { protocol: string | undefined; tls: boolean | undefined } = schemes[scheme];
  const { protocol: written } = input;
  if (written !== undefined && protocol !== undefined && written !== protocol) {
    const message = `${scheme}:// means ${protocol}, not ${written}; leave protocol out, or write other URLs.`;
    problems.error([...path, 'protocol'], message);
  } else if (written === 'tcp' && protocol === undefined) {
    problems.error([...path, 'protocol'], `${scheme}:// does not mean plain TCP; write tcp:// in front of endpoints.`);
  }
  if (input.tls !== undefined && tls === false) {
    const message = `${scheme}:// is without TLS; write ${scheme === 'h2c' ? 'h2' : 'https'}:// in front of endpoints, or leave tls out.`;
    problems.error([...path, 'tls'], message, 'key');
  }
}

function readBackendTls(
  input: NonNullable<BackendInput['tls']>,
  endpoints: readonly Endpoint[],
  { path, context }: { path: Path; context: TerminatorContext },
): BackendTls {
  const { problems } = context;
  const { verify, ca = [], serverName, clientCertificate, minVersion } = input;
  if (!verify) {
    const message =
      'Any certificate is taken, so that whoever is in between can read and change everything; write verify: true and ca: ./ca.pem, which can be a private CA.';
    problems.warning([...path, 'verify'], message);
    if (ca.length > 0) problems.warning([...path, 'ca'], 'ca does nothing with verify: false; leave one of them out.');
  } else if (serverName === undefined && endpoints.some((endpoint) => 'unixPath' in endpoint)) {
    const message = 'A unix socket has no host to verify; write tls: { serverName: app.internal }.';
    problems.error(path, message, 'key');
  }
  const clientCertificateId =
    clientCertificate === undefined
      ? undefined
      : certificateIdOf(clientCertificate, [...path, 'clientCertificate'], context);
  return {
    verify,
    caFiles: ca.flatMap((source) => caFile(source, [...path, 'ca'], context) ?? []),
    ...(serverName === undefined ? {} : { serverName }),
    ...(clientCertificateId === undefined ? {} : { clientCertificateId }),
    minVersion,
  };
}

function caFile(source: CaSource, path: Path, context: TerminatorContext): string | undefined {
  if (source.kind === 'file') return namedFile('ca', source.path, path, context);
  const { dataDir, issuers, problems } = context;
  const { name } = source;
  const issuer = issuers.parsed.get(name);
  if (issuer?.kind === 'ca') return rootFile(dataDir, name);
  if (issuer === undefined && issuers.names.includes(name)) return undefined; // reported where it stands
  if (issuer === undefined) {
    const authorities = [...issuers.parsed.values()].filter(({ kind }) => kind === 'ca').map((one) => one.name);
    const instead = nearest(name, authorities) ?? (authorities.join(' or ') || 'the path of a PEM file');
    problems.error(path, `There is no private CA ${JSON.stringify(name)} under issuers; write ${instead}.`);
  } else {
    const message = `The issuer ${name} is no private CA, so there is no root of its own to trust; write the path of a PEM file, or leave ca out for the system's CAs.`;
    problems.error(path, message);
  }
  return undefined;
}

function readHealth(
  input: NonNullable<BackendInput['health']>,
  protocol: Backend['protocol'],
  { path, context }: { path: Path; context: TerminatorContext },
): ActiveHealth {
  const { problems } = context;
  const { path: asked, host, interval, healthyAfter, unhealthyAfter, status } = input;
  const timeout = input.timeout ?? Math.min(5_000, interval);
  if (timeout > interval) {
    problems.error([...path, 'timeout'], 'A check may not take longer than the interval; write a shorter timeout.');
  }
  if (asked !== undefined && protocol === 'tcp') {
    problems.error(
      [...path, 'path'],
      'A path is asked for over HTTP, and this backend speaks plain TCP; leave path out.',
    );
  }
  for (const [key, value] of Object.entries({ host, status })) {
    if (value === undefined || asked !== undefined) continue;
    problems.error([...path, key], `${key} belongs to a check that asks for a path; write path: /healthz, too.`, 'key');
  }
  return {
    ...(asked === undefined ? {} : { path: asked }),
    ...(host === undefined ? {} : { host }),
    intervalMs: interval,
    timeoutMs: timeout,
    healthyAfter,
    unhealthyAfter,
    status: status ?? [200, 399],
  };
}
