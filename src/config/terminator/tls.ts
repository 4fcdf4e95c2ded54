/** TLS policies: what is written for all hosts, and for some, over a preset. */
import type { z } from 'zod';
import { tlsPresets, type ClientCertificates, type Hsts, type TlsPolicy } from '../../core/tls-policy.ts';
import { parseFields, parsePart } from '../issues.ts';
import type { Path } from '../position.ts';
import { tlsSchema } from '../schema/tls.ts';
import { isWeakCipher } from '../values/tls.ts';
import { namedFile, type TerminatorContext } from './context.ts';

type Written = Partial<z.output<typeof tlsSchema>>;

/** What one section says; false: explicitly none. */
export interface TlsLayer extends Omit<Written, 'hsts' | 'clientCertificates'> {
  readonly hsts?: Hsts | false | undefined;
  readonly clientCertificates?: ClientCertificates | false | undefined;
}

const ownKeys = ['hsts', 'clientCertificates'] as const;

export function readTls(section: unknown, path: Path, context: TerminatorContext): TlsLayer {
  if (section === undefined) return {};
  const { problems } = context;
  const parsed = parseFields(tlsSchema, section, { path, problems, except: ownKeys });
  if (parsed === undefined) return {};
  const { hsts, clientCertificates } = section as Record<string, unknown>;
  return {
    ...parsed.fields,
    hsts: hsts === false ? false : readHsts(hsts, [...path, 'hsts'], context),
    clientCertificates:
      clientCertificates === false
        ? false
        : readClientCertificates(clientCertificates, [...path, 'clientCertificates'], context),
  };
}

function readHsts(value: unknown, path: Path, { problems }: TerminatorContext): Hsts | undefined {
  const input = parsePart(tlsSchema.shape.hsts, value, path, problems);
  if (input === undefined) return undefined;
  const { maxAge, includeSubdomains, preload } = input;
  if (preload && (maxAge < 31_536_000_000 || !includeSubdomains)) {
    const message =
      'Browsers take a host into their preload lists only with maxAge of at least 1y and includeSubdomains; write { maxAge: 1y, includeSubdomains: true, preload: true }, or leave preload out.';
    problems.error([...path, 'preload'], message);
  }
  return { maxAgeSeconds: Math.floor(maxAge / 1000), includeSubdomains, preload };
}

function readClientCertificates(
  value: unknown,
  path: Path,
  context: TerminatorContext,
): ClientCertificates | undefined {
  const input = parsePart(tlsSchema.shape.clientCertificates, value, path, context.problems);
  if (input === undefined) return undefined;
  const { mode, ca, crl, depth, subjects = [] } = input;
  return {
    mode,
    caFile: namedFile('ca', ca, [...path, 'ca'], context),
    ...(crl === undefined ? {} : { crlFile: namedFile('crl', crl, [...path, 'crl'], context) }),
    depth,
    subjects,
  };
}

/** The policy of layers from the most general to the most particular; `path` is where the last one stands. */
export function policyOf(layers: readonly TlsLayer[], path: Path, { problems }: TerminatorContext): TlsPolicy {
  const policy = layers.reduce<TlsPolicy>(withLayer, tlsPresets.intermediate);
  const last = layers.at(-1) ?? {};
  if (last.ciphers !== undefined && policy.minVersion === 'TLSv1.3') {
    const message =
      'These are cipher suites of TLS 1.2, and only TLS 1.3 is spoken here; leave ciphers out, or write minVersion: "1.2".';
    problems.warning([...path, 'ciphers'], message);
  }
  const weak = last.ciphers?.find(isWeakCipher);
  if (weak !== undefined) {
    const message = `${weak} has no forward secrecy or no authenticated encryption, and HTTP/2 refuses it (RFC 9113 appendix A); leave it out where clients allow.`;
    problems.warning([...path, 'ciphers'], message);
  }
  // `modern` names none, and TLS 1.2 needs some.
  const needsCiphers = policy.minVersion === 'TLSv1.2' && policy.ciphers.length === 0;
  return needsCiphers ? { ...policy, ciphers: tlsPresets.intermediate.ciphers } : policy;
}

function withLayer(below: TlsPolicy, { preset, hsts, clientCertificates, ...own }: TlsLayer): TlsPolicy {
  let policy = below;
  if (preset !== undefined) {
    const { minVersion, ciphers, curves } = tlsPresets[preset];
    policy = { ...policy, minVersion, ciphers, curves };
  }
  // Keys that are not written are not there (exactly: `parseFields` leaves them out).
  policy = { ...policy, ...(own as Partial<TlsPolicy>) };
  if (hsts !== undefined) policy = withOrWithout(policy, 'hsts', hsts);
  if (clientCertificates !== undefined) policy = withOrWithout(policy, 'clientCertificates', clientCertificates);
  return policy;
}

function withOrWithout<K extends 'hsts' | 'clientCertificates'>(
  policy: TlsPolicy,
  key: K,
  value: NonNullable<TlsPolicy[K]> | false,
): TlsPolicy {
  const { [key]: _before, ...rest } = policy;
  return value === false ? (rest as TlsPolicy) : { ...policy, [key]: value };
}
