/**
 * The whole flow through a cluster: one Certplane gets a certificate from Pebble and writes it to a TLS Secret; another
 * process, a terminator alone, watches Secrets and serves it. Each has a token that allows just that.
 */
import { once } from 'node:events';
import { connect } from 'node:tls';
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import { ready, show } from '../e2e/shop.ts';
import { startCertplane, type Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { startKube, type Kube } from '../support/kube.ts';
import { startLoad, type Load, type LoadOptions } from '../support/load.ts';
import { startPebble, type Pebble } from '../support/pebble.ts';
import { freePorts } from '../support/ports.ts';
import { until } from '../support/until.ts';

const host = 'shop.example';
const answer = 'served from a Secret';

export interface ClusterSite extends AsyncDisposable {
  readonly kube: Kube;
  readonly pebble: Pebble;
  /** Issues and writes the Secret `shop/shop-tls`. */
  readonly issuing: Certplane;
  /** Watches and serves; has a data directory of its own. */
  readonly serving: Certplane;
  /** Serial of the first version: issued, written and served. */
  readonly firstSerial: string;
  certificate(): Promise<CertificateDetail>;
  /** What a new handshake with the terminator shows. */
  serial(): Promise<string>;
  /** Waits until a new handshake shows it. */
  servesSerial(serial: string): Promise<void>;
  /** A metric of the terminator; undefined where it has no such line. */
  metric(line: string): Promise<number | undefined>;
  /** Endless load on the terminator. */
  load(mode: LoadOptions['mode']): Load;
}

export async function startClusterSite(): Promise<ClusterSite> {
  await using stack = new AsyncDisposableStack();
  const [challenges, https, admin, metrics, servingMetrics] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const tokens = ['writer', 'reader'].map((user) => ({ user, token: `${user}-token` }));
  const kube = stack.use(await startKube({ tokens }));
  await kube.createNamespace('shop');
  await allow(kube, 'writer', ['get', 'create', 'patch']);
  await allow(kube, 'reader', ['list', 'watch']);
  const pebble = stack.use(await startPebble({ httpPort: challenges }));
  const issuing = stack.use(
    await startCertplane({
      configYaml: `
dataDir: ./data
admin: { listen: '127.0.0.1:${admin}' }
metrics: { listen: '127.0.0.1:${metrics}' }
issuers:
  pebble:
    acme:
      directory: '${pebble.directoryUrl}'
      email: ops@example.com
      caBundle: '${pebble.caFile}'
      solvers: [{ http01: { listen: '127.0.0.1:${challenges}' } }]
defaults: { issuers: [pebble] }
certificates:
  shop:
    dnsNames: [${host}]
    outputs: [{ kubernetesSecret: { namespace: shop, name: shop-tls } }]
kubernetes: { kubeconfig: '${await kube.kubeconfigFile('writer-token')}', context: test }
`,
    }),
  );
  const serving = stack.use(
    await startCertplane({
      command: 'terminator',
      readyTimeoutMs: 60_000,
      configYaml: `
dataDir: ./data
metrics: { terminator: '127.0.0.1:${servingMetrics}' }
kubernetes: { kubeconfig: '${await kube.kubeconfigFile('reader-token')}', context: test }
terminator:
  workers: 2
  https: { listen: '127.0.0.1:${https}' }
  http: { listen: false }
  sources: [{ kubernetesSecrets: { namespace: shop, selector: 'app.kubernetes.io/managed-by=certplane' } }]
  routes:
    - hosts: [${host}]
      automaticCertificate: false
      respond: { body: '${answer}' }
`,
    }),
  );
  const rootPem = await pebble.rootPem();
  const first = await ready(issuing, 'the first version in its Secret');
  const parts = stack.move();
  const site: ClusterSite = {
    firstSerial: first.serial ?? '',
    kube,
    pebble,
    issuing,
    serving,
    certificate: async () => await show(issuing),
    serial: async () => {
      const socket = connect({ host: '127.0.0.1', port: https, servername: host, ca: rootPem });
      await once(socket, 'secureConnect');
      const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
      socket.destroy();
      return serial;
    },
    servesSerial: async (serial) => {
      const what = `serial ${serial} in new handshakes`;
      await until(async () => (await site.serial()) === serial, { timeoutMs: 60_000, what });
    },
    metric: async (line) => {
      const { body } = await fetchOnce(`http://127.0.0.1:${servingMetrics}/metrics`);
      const found = body.split('\n').find((text) => text.startsWith(`${line} `));
      return found === undefined ? undefined : Number(found.slice(line.length + 1));
    },
    load: (mode) =>
      startLoad({
        mode,
        port: https,
        caPem: rootPem,
        servernames: [host],
        concurrency: 2,
        pauseMs: 5,
        requestsPerConnection: 200,
        verify: { status: 200, bodyIncludes: answer },
      }),
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
  return site;
}

/** May do just that with Secrets of the namespace `shop`. */
async function allow(kube: Kube, user: string, verbs: readonly string[]): Promise<void> {
  const base = '/apis/rbac.authorization.k8s.io/v1/namespaces/shop';
  const metadata = { name: user };
  await kube.request('POST', `${base}/roles`, {
    metadata,
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs }],
  });
  await kube.request('POST', `${base}/rolebindings`, {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: user },
    subjects: [{ kind: 'User', name: user, apiGroup: 'rbac.authorization.k8s.io' }],
  });
}
