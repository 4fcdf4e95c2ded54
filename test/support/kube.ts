import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { kubePrograms, KubeMissing } from '../cluster/build.ts';
import { fetchOnce } from './http.ts';
import { freePorts } from './ports.ts';
import { spawnProcess, type RunningProcess } from './process.ts';
import { tempDir, type TempDir } from './tempdir.ts';
import { TestCa } from './test-ca.ts';
import { until } from './until.ts';

export interface KubeToken {
  token: string;
  user: string;
  groups?: string[];
}

export interface KubeOptions {
  /** Users besides admin; they may do only what the test binds to them (RBAC is on). */
  tokens?: KubeToken[];
  /** More flags for kube-apiserver. */
  apiServerArgs?: string[];
}

export interface KubeRequestOptions {
  contentType?: string;
  /** Admin's by default. */
  token?: string;
  /** Throws on 4xx and 5xx unless this is false. */
  check?: boolean;
}

export interface KubeAnswer<T> {
  status: number;
  body: T;
}

export interface Kube extends AsyncDisposable {
  readonly url: string;
  readonly caFile: string;
  readonly caPem: string;
  readonly adminToken: string;
  readonly apiServer: RunningProcess;
  /** Writes a kubeconfig with one context, `test`, and returns its path. */
  kubeconfigFile(token?: string, namespace?: string): Promise<string>;
  /** One JSON request; `path` starts with /api or /apis. */
  request<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    options?: KubeRequestOptions,
  ): Promise<KubeAnswer<T>>;
  createNamespace(name: string): Promise<void>;
  /** An outage: connections are cut at once (SIGKILL) unless another signal is given. etcd stays. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  /** On the same port, with the same certificate and data; resolves when it is ready. */
  startApiServer(): Promise<void>;
  /** Freezes it: connections stay open and nothing answers, until `resumeApiServer`. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** Makes etcd forget every revision before the present one, as it does by itself every few minutes in production. */
  compact(): Promise<void>;
}

/** For test options: false, or why the test is skipped; throws when CI=true. */
export async function missingKube(): Promise<string | false> {
  try {
    await kubePrograms();
    return false;
  } catch (error) {
    if (!(error instanceof KubeMissing) || process.env['CI'] === 'true') throw error;
    return error.message;
  }
}

/** A real API server and etcd on loopback, empty, gone afterwards. No controllers run: nothing is garbage-collected. */
export async function startKube(options: KubeOptions = {}): Promise<Kube> {
  await using stack = new AsyncDisposableStack();
  const programs = await kubePrograms();
  const directory = stack.use(await tempDir('kube-'));
  const [port, etcdPort, peerPort] = (await freePorts(3)) as [number, number, number];
  const adminToken = 'admin-token';
  const tokens = [{ token: adminToken, user: 'admin', groups: ['system:masters'] }, ...(options.tokens ?? [])];
  const ca = await writeFiles(directory, tokens);
  const etcd = stack.use(
    spawnProcess(programs.etcd, etcdArgs(directory, etcdPort, peerPort), { name: 'etcd', stopSignal: 'SIGKILL' }),
  );
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  await ready(etcd, async () => (await fetchOnce(`${etcdUrl}/health`)).status === 200);

  const url = `https://127.0.0.1:${port}`;
  const args = [...apiServerArgs(directory, port, etcdUrl), ...(options.apiServerArgs ?? [])];
  const request: Kube['request'] = async <T>(
    method: string,
    path: string,
    body?: unknown,
    { contentType = 'application/json', token = adminToken, check = true }: KubeRequestOptions = {},
  ): Promise<KubeAnswer<T>> => {
    const answer = await fetchOnce(url + path, {
      method,
      ca: ca.certPem,
      servername: 'localhost',
      headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': contentType },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    if (check && answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    const json = answer.headers['content-type']?.includes('json');
    return { status: answer.status, body: (json ? JSON.parse(answer.body) : answer.body) as T };
  };
  let apiServer: RunningProcess | undefined;
  const startApiServer = async (): Promise<void> => {
    apiServer = spawnProcess(programs.apiServer, args, { name: 'kube-apiserver', stopSignal: 'SIGKILL' });
    await ready(apiServer, async () => {
      for (const path of ['/readyz', '/api/v1/namespaces/default']) {
        if ((await request('GET', path, undefined, { check: false })).status !== 200) return false;
      }
      return true;
    });
  };
  stack.defer(async () => await apiServer?.[Symbol.asyncDispose]());
  await startApiServer();

  const parts = stack.move();
  let configs = 0;
  return {
    url,
    caFile: directory.join('ca.pem'),
    caPem: ca.certPem,
    adminToken,
    get apiServer() {
      return apiServer!;
    },
    request,
    createNamespace: async (name) => {
      await request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    },
    kubeconfigFile: async (token = adminToken, namespace = 'default') => {
      const path = directory.join(`kubeconfig-${(configs += 1)}`);
      await writeFile(path, kubeconfig(url, ca.certPem, token, namespace), { mode: 0o600 });
      return path;
    },
    stopApiServer: async (signal = 'SIGKILL') => {
      await apiServer?.stop(signal);
      await apiServer?.[Symbol.asyncDispose]();
    },
    startApiServer,
    pauseApiServer: () => void apiServer?.kill('SIGSTOP'),
    resumeApiServer: () => void apiServer?.kill('SIGCONT'),
    compact: async () => {
      const { header } = await askEtcd<{ header: { revision: string } }>(etcdUrl, '/v3/maintenance/status', {});
      await askEtcd(etcdUrl, '/v3/kv/compaction', { revision: header.revision, physical: true });
    },
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

/** etcd's JSON gateway. */
async function askEtcd<T>(etcdUrl: string, path: string, message: object): Promise<T> {
  const { status, body } = await fetchOnce(etcdUrl + path, { method: 'POST', body: JSON.stringify(message) });
  if (status !== 200) throw new Error(`etcd: POST ${path}: ${status} ${body}`);
  return JSON.parse(body) as T;
}

async function ready(server: RunningProcess, check: () => Promise<boolean>): Promise<void> {
  await until(async () => server.exit !== undefined || (await check()), {
    timeoutMs: 90_000,
    everyMs: 100,
    what: `${server.name} ready`,
  });
  if (server.exit) throw new Error(`${server.name} ended:\n${server.output.slice(-4000)}`);
}

async function writeFiles(directory: TempDir, tokens: KubeToken[]): Promise<TestCa> {
  const ca = await TestCa.create('Kubernetes test CA');
  const leaf = await ca.issue({ dnsNames: ['localhost', 'kubernetes.default.svc'], ipAddresses: ['127.0.0.1'] });
  const account = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rows = tokens.map(({ token, user, groups = [] }) => `${token},${user},${user},"${groups.join(',')}"`);
  const files = {
    'ca.pem': ca.certPem,
    'apiserver.crt': leaf.fullchainPem,
    'apiserver.key': leaf.keyPem,
    'sa.key': account.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'sa.pub': account.publicKey.export({ type: 'spki', format: 'pem' }),
    'tokens.csv': rows.join('\n') + '\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(directory.join(name), text, { mode: 0o600 });
  return ca;
}

function etcdArgs(directory: TempDir, port: number, peerPort: number): string[] {
  return [
    `--data-dir=${directory.join('etcd')}`,
    `--listen-client-urls=http://127.0.0.1:${port}`,
    `--advertise-client-urls=http://127.0.0.1:${port}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
    '--unsafe-no-fsync',
    '--log-level=error',
  ];
}

function apiServerArgs(directory: TempDir, port: number, etcdUrl: string): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    // The endpoint reconciler would refuse a loopback address.
    '--endpoint-reconciler-type=none',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${directory.join('apiserver.crt')}`,
    `--tls-private-key-file=${directory.join('apiserver.key')}`,
    `--cert-dir=${directory.join('certs')}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--authorization-mode=RBAC',
    `--token-auth-file=${directory.join('tokens.csv')}`,
    '--disable-admission-plugins=ServiceAccount',
    `--service-account-issuer=https://127.0.0.1:${port}/`,
    `--service-account-key-file=${directory.join('sa.pub')}`,
    `--service-account-signing-key-file=${directory.join('sa.key')}`,
    // Watches that name no timeout of their own end after 5 to 10 s.
    '--min-request-timeout=5',
    '--allow-privileged=true',
    '--profiling=false',
    '--v=0',
  ];
}

/** JSON is YAML. */
function kubeconfig(url: string, caPem: string, token: string, namespace: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      { name: 'test', cluster: { server: url, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } },
    ],
    users: [{ name: 'test', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace } }],
  });
}
