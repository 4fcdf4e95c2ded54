/**
 * How a terminator reaches the Kubernetes API: the service account's files, or a kubeconfig with a token, a token file
 * or a client certificate. Credentials that need a program (exec, OIDC) are the control plane's; they are refused here by name.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { CertplaneError } from '../../core/errors.ts';
import type { KubernetesAccess } from '../../core/terminator.ts';

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface KubernetesConnection {
  /** Without a trailing slash. */
  readonly url: string;
  readonly caPem: string | undefined;
  readonly clientCertificate: { readonly certPem: string; readonly keyPem: string } | undefined;
  /** Re-read on every use where it is a file: projected tokens rotate. */
  token(): Promise<string | undefined>;
}

/** Throws `kubernetes.not-configured` with what was looked for. */
export async function connectTo(access: KubernetesAccess, env: NodeJS.ProcessEnv): Promise<KubernetesConnection> {
  const file = access.kubeconfig ?? env['KUBECONFIG'];
  if (file !== undefined && file !== '') return fromKubeconfig(file, access.context);
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') {
    throw new CertplaneError(
      'kubernetes.not-configured',
      'No Kubernetes credentials: set kubernetes.kubeconfig, or run inside a cluster (KUBERNETES_SERVICE_HOST is not set).',
    );
  }
  const authority = host.includes(':') ? `[${host}]` : host;
  return {
    url: `https://${authority}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`,
    caPem: await read(`${serviceAccount}/ca.crt`),
    clientCertificate: undefined,
    token: async () => (await read(`${serviceAccount}/token`)).trim(),
  };
}

interface ClusterEntry {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
}

interface UserEntry {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly exec?: unknown;
  readonly 'auth-provider'?: unknown;
}

async function fromKubeconfig(path: string, contextName: string | undefined): Promise<KubernetesConnection> {
  const file = path.startsWith('~/') ? resolve(homedir(), path.slice(2)) : resolve(path);
  const document = parse(await read(file)) as Record<string, unknown> | null;
  const entry = <T>(list: string, field: string, name: string | undefined): T => {
    const all = (document?.[list] ?? []) as readonly ({ readonly name?: string } & Record<string, unknown>)[];
    const found = Array.isArray(all) ? all.find((one) => one.name === name) : undefined;
    if (found === undefined || typeof found[field] !== 'object' || found[field] === null) {
      throw new CertplaneError('kubernetes.not-configured', `${file} has no entry "${name ?? ''}" under ${list}.`);
    }
    return found[field] as T;
  };
  const context = entry<{ cluster?: string; user?: string }>(
    'contexts',
    'context',
    contextName ?? (document?.['current-context'] as string | undefined),
  );
  const cluster = entry<ClusterEntry>('clusters', 'cluster', context.cluster);
  const user = entry<UserEntry>('users', 'user', context.user);
  if (user.exec !== undefined || user['auth-provider'] !== undefined) {
    throw new CertplaneError(
      'kubernetes.not-configured',
      `${file}: user "${context.user}" gets its credentials from a program; a terminator takes a token, tokenFile or client certificate.`,
    );
  }
  if (cluster.server === undefined)
    throw new CertplaneError('kubernetes.not-configured', `${file}: cluster "${context.cluster}" has no server.`);
  const base = dirname(file);
  const certPem = await fileOrData(base, user['client-certificate'], user['client-certificate-data']);
  const keyPem = await fileOrData(base, user['client-key'], user['client-key-data']);
  const { token, tokenFile } = user;
  return {
    url: cluster.server.replace(/\/$/, ''),
    caPem: await fileOrData(base, cluster['certificate-authority'], cluster['certificate-authority-data']),
    clientCertificate: certPem === undefined || keyPem === undefined ? undefined : { certPem, keyPem },
    token: async () => (tokenFile === undefined ? token : (await read(resolve(base, tokenFile))).trim()),
  };
}

async function fileOrData(
  base: string,
  path: string | undefined,
  data: string | undefined,
): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  return path === undefined ? undefined : read(resolve(base, path));
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CertplaneError('kubernetes.not-configured', `${file} cannot be read.`, { cause });
  }
}
