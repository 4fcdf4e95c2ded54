/** The issuers of a file, with the files and secrets they name read. */
import { X509Certificate } from 'node:crypto';
import type { z } from 'zod';
import { acmeDirectories } from '../core/acme-directories.ts';
import { splitChain } from '../core/bundle.ts';
import type { AcmeIssuerConfig, Http01SolverConfig, IssuerConfig } from './model.ts';
import { parseFields } from './issues.ts';
import { readSmallFile, resolvePath, type PathBase } from './paths.ts';
import type { Path } from './position.ts';
import type { ProblemList } from './problems.ts';
import { acmeSchema, issuerSchema, type solverSchema } from './schema/issuers.ts';
import { issuerName } from './schema/names.ts';
import type { SecretSource } from './values/secrets.ts';

export const builtInName = 'letsencrypt';

/** What `letsencrypt` means where the file does not define it. */
export const builtInIssuer: AcmeIssuerConfig = {
  kind: 'acme',
  name: builtInName,
  directory: acmeDirectories[builtInName] as string,
  solvers: [{ kind: 'http01', listen: { host: '::', port: 80 } }],
};

export interface IssuerContext {
  readonly base: PathBase;
  readonly env: NodeJS.ProcessEnv;
  readonly problems: ProblemList;
}

export interface Issuers {
  readonly parsed: ReadonlyMap<string, IssuerConfig>;
  /** Defined in the file, parsed or not: a reference to a broken one is no second problem. */
  readonly names: readonly string[];
}

export async function readIssuers(section: unknown, context: IssuerContext): Promise<Issuers> {
  const { problems } = context;
  const parsed = new Map<string, IssuerConfig>();
  if (section === undefined) return { parsed, names: [] };
  const names = Object.keys(section as object);
  for (const [name, value] of Object.entries(section as Record<string, unknown>)) {
    const path = ['issuers', name];
    const checked = issuerName(name);
    if ('problem' in checked) problems.error(path, checked.problem, 'key');
    const issuer = await readIssuer(name, value, context);
    if (issuer !== undefined) parsed.set(name, issuer);
  }
  return { parsed, names };
}

async function readIssuer(name: string, value: unknown, context: IssuerContext): Promise<IssuerConfig | undefined> {
  const path = ['issuers', name];
  const parsed = parseFields(issuerSchema, value, { path, problems: context.problems, except: ['acme'] });
  if (parsed === undefined) return undefined;
  const { acme } = value as { acme?: unknown };
  const kinds = ['acme', 'ca', 'selfSigned'].filter((kind) => (value as Record<string, unknown>)[kind] !== undefined);
  if (kinds.length !== 1) {
    const found = kinds.length === 0 ? 'none' : kinds.join(' and ');
    const message = `An issuer is exactly one of acme, ca and selfSigned, and here is ${found}; write one of them.`;
    context.problems.error(path, message, 'key');
  }
  if (acme !== undefined) return await readAcme(name, acme, context);
  if (parsed.fields.ca !== undefined) return { kind: 'ca', name, lifetimeMs: parsed.fields.ca.lifetime };
  return parsed.fields.selfSigned === undefined ? undefined : { kind: 'selfSigned', name };
}

async function readAcme(name: string, value: unknown, context: IssuerContext): Promise<AcmeIssuerConfig | undefined> {
  const path = ['issuers', name, 'acme'];
  const parsed = parseFields(acmeSchema, value, { path, problems: context.problems });
  if (parsed === undefined) return undefined;
  const { directory = '', email, caBundle, externalAccount, solvers = [] } = parsed.fields;
  const caBundlePem = caBundle === undefined ? undefined : await readBundle(caBundle, [...path, 'caBundle'], context);
  const hmacKey =
    externalAccount === undefined
      ? undefined
      : await readHmacKey(externalAccount.hmacKey, [...path, 'externalAccount', 'hmacKey'], context);
  if (!parsed.complete) return undefined;
  return {
    kind: 'acme',
    name,
    directory,
    ...(email === undefined ? {} : { email }),
    ...(caBundlePem === undefined ? {} : { caBundlePem }),
    ...(externalAccount === undefined || hmacKey === undefined
      ? {}
      : { externalAccount: { keyId: externalAccount.keyId, hmacKey } }),
    solvers: solvers.map(solverOf),
  };
}

function solverOf({ http01, dnsNames, dnsZones }: z.output<typeof solverSchema>): Http01SolverConfig {
  return {
    kind: 'http01',
    listen: http01.listen,
    ...(dnsNames === undefined ? {} : { dnsNames }),
    ...(dnsZones === undefined ? {} : { dnsZones }),
  };
}

async function readBundle(written: string, path: Path, { base, problems }: IssuerContext): Promise<string | undefined> {
  const file = resolvePath(written, base);
  const read = await readSmallFile(file);
  if ('problem' in read) {
    problems.error(path, `${read.problem} Write the path of a PEM file, or leave caBundle out.`);
    return undefined;
  }
  try {
    const certificates = splitChain(read.text);
    for (const certificate of certificates) void new X509Certificate(certificate);
    if (certificates.length > 0) return certificates.join('');
    problems.error(path, `${file} has no CERTIFICATE block in it; write the path of a PEM file with the CA's roots.`);
  } catch {
    problems.error(
      path,
      `${file} has a CERTIFICATE block that cannot be parsed; write the path of a PEM file with the CA's roots.`,
    );
  }
  return undefined;
}

async function readHmacKey(source: SecretSource, path: Path, context: IssuerContext): Promise<string | undefined> {
  const key = await readSecret(source, path, context);
  if (key === undefined || /^[A-Za-z0-9_+/-]{16,}={0,2}$/.test(key)) return key;
  context.problems.error(
    path,
    'This is not a base64url key; write it exactly as the CA gave it, without quotes or spaces.',
  );
  return undefined;
}

async function readSecret(
  source: SecretSource,
  path: Path,
  { base, env, problems }: IssuerContext,
): Promise<string | undefined> {
  switch (source.kind) {
    case 'literal':
      return source.value;
    case 'environment': {
      const value = env[source.variable];
      if (value !== undefined && value !== '') return value;
      problems.error(path, `The environment variable ${source.variable} is not set; set it, or write { file: path }.`);
      return undefined;
    }
    case 'file': {
      const read = await readSmallFile(resolvePath(source.path, base));
      if ('problem' in read) problems.error(path, `${read.problem} Write the path of a file that holds the secret.`);
      else if (read.text.trim() === '')
        problems.error(path, `The file ${source.path} is empty; put the secret into it.`);
      else return read.text.trim();
      return undefined;
    }
  }
}
