import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBundle } from '../../src/core/bundle.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import type { KubernetesSecretOutput } from '../../src/core/certificate.ts';
import type { DeliverableVersion, Output, WantedVersion } from '../../src/core/ports/output.ts';
import { createKubernetesClient, type KubernetesClient } from '../../src/kubernetes/client.ts';
import {
  certificateAnnotation,
  createSecretOutput,
  installationAnnotation,
} from '../../src/kubernetes/secret-output.ts';
import { missingKube, startKube } from '../support/kube.ts';
import { TestCa } from '../support/test-ca.ts';

const skip = await missingKube();
const ca = await TestCa.create();
const { signal } = new AbortController();
const spec = { kind: 'kubernetesSecret', id: 'secret:shop/shop-tls', namespace: 'shop', name: 'shop-tls' } as const;
const path = '/api/v1/namespaces/shop/secrets/shop-tls';

interface Writer {
  readonly certificateId?: string;
  readonly installationId?: string;
  readonly to?: KubernetesSecretOutput;
}

function outputOf(client: KubernetesClient, writer: Writer = {}): Output {
  const { certificateId = 'file/shop', installationId = 'installation-1', to = spec } = writer;
  return createSecretOutput(to, { client, certificateId, installationId });
}

interface SecretBody {
  type: string;
  data: Record<string, string>;
  metadata: {
    managedFields: { manager: string; operation: string }[];
    annotations: Record<string, string>;
    labels: Record<string, string>;
    resourceVersion: string;
  };
}

async function version(number: number): Promise<DeliverableVersion> {
  const leaf = await ca.issue({ dnsNames: ['shop.example'] });
  const bundle = { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
  return {
    certificateId: 'file/shop',
    versionId: `file/shop#${number}`,
    bundle,
    fingerprint256: readBundle(bundle).fingerprint256,
    caPem: ca.certPem,
  };
}

function wanted({ versionId: id, bundle: { chainPem }, caPem }: DeliverableVersion): WantedVersion {
  return { id, chainPem, caPem };
}

const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString();
const code = (expected: string) => (error: unknown) => error instanceof CertplaneError && error.code === expected;

test(
  'a version becomes a kubernetes.io/tls Secret by server-side apply, and the next one replaces it',
  { skip },
  async () => {
    await using kube = await startKube({ tokens: [{ token: 'writer-token', user: 'writer' }] });
    await kube.createNamespace('shop');
    // Least privilege: reading and patching Secrets of one namespace is all it takes.
    await kube.request('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles', {
      metadata: { name: 'writer' },
      rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'create', 'patch'] }],
    });
    await kube.request('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/shop/rolebindings', {
      metadata: { name: 'writer' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'writer' },
      subjects: [{ kind: 'User', name: 'writer', apiGroup: 'rbac.authorization.k8s.io' }],
    });
    const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile('writer-token') });
    const output = outputOf(client);

    assert.equal(await output.current(signal), undefined);
    const first = await version(1);
    await output.deliver(first, signal);
    const written = (await kube.request<SecretBody>('GET', path)).body;
    assert.equal(written.type, 'kubernetes.io/tls');
    assert.equal(decode(written.data['tls.crt']), first.bundle.chainPem);
    assert.equal(decode(written.data['tls.key']), first.bundle.keyPem);
    assert.equal(decode(written.data['ca.crt']), ca.certPem);
    assert.deepEqual(
      written.metadata.managedFields.map(({ manager, operation }) => `${manager} ${operation}`),
      ['certplane Apply'],
    );
    assert.equal((await output.current(signal))?.fingerprint256, first.fingerprint256);

    await output.deliver(first, signal);
    assert.equal(
      (await kube.request<SecretBody>('GET', path)).body.metadata.resourceVersion,
      written.metadata.resourceVersion,
      'idempotent',
    );

    const second = await version(2);
    await output.deliver(second, signal);
    assert.equal((await output.current(signal))?.fingerprint256, second.fingerprint256);

    const elsewhere = outputOf(client, { to: { ...spec, namespace: 'default' } });
    await assert.rejects(elsewhere.deliver(second, signal), code('kubernetes.forbidden'));
  },
);

test('a Secret that somebody else made is never overwritten, until it is handed over by name', { skip }, async () => {
  await using kube = await startKube();
  await kube.createNamespace('shop');
  const theirs = await ca.issue({ dnsNames: ['theirs.example'] });
  const data = { 'tls.crt': theirs.fullchainPem, 'tls.key': theirs.keyPem };
  await kube.request('POST', '/api/v1/namespaces/shop/secrets', {
    metadata: { name: 'shop-tls' },
    type: 'kubernetes.io/tls',
    stringData: data,
  });
  const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile() });
  const output = outputOf(client);
  const ours = await version(1);

  await assert.rejects(output.deliver(ours, signal), (error) => {
    assert.ok(error instanceof CertplaneError && error.code === 'output.not-owned');
    assert.ok(
      error.message.endsWith(
        'kubectl annotate -n shop secret shop-tls certplane.dev/certificate=file/shop certplane.dev/installation=installation-1 --overwrite',
      ),
      error.message,
    );
    return true;
  });
  assert.equal(decode((await kube.request<SecretBody>('GET', path)).body.data['tls.crt']), theirs.fullchainPem);
  assert.equal(await output.current(signal), undefined);

  const annotations = { [certificateAnnotation]: 'file/shop', [installationAnnotation]: 'installation-1' };
  const handOver = { metadata: { annotations } };
  await kube.request('PATCH', path, handOver, { contentType: 'application/merge-patch+json' });
  await output.deliver(ours, signal);
  assert.equal((await output.current(signal))?.fingerprint256, ours.fingerprint256);

  const second = outputOf(client, { certificateId: 'file/other' });
  await assert.rejects(
    second.deliver(ours, signal),
    (error) => error instanceof CertplaneError && /belongs to the certificate file\/shop/.test(error.message),
  );
});

test(
  'never (§5.14): two installations with a certificate of the same id do not take its Secret from each other',
  { skip },
  async () => {
    await using kube = await startKube();
    await kube.createNamespace('shop');
    const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile() });
    const one = outputOf(client);
    const other = outputOf(client, { installationId: 'installation-2' });
    const first = await version(1);
    await one.deliver(first, signal);
    await assert.rejects(other.deliver(await version(1), signal), (error) => {
      assert.ok(error instanceof CertplaneError && error.code === 'output.not-owned');
      assert.match(error.message, /belongs to the certificate file\/shop of another installation .*installation-1/);
      return true;
    });
    assert.equal(await other.current(signal), undefined);
    assert.equal((await one.current(signal, wanted(first)))?.intact, true);
  },
);

test('what was changed by hand in a Secret is seen, and put right by the next delivery', { skip }, async () => {
  await using kube = await startKube();
  await kube.createNamespace('shop');
  const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile() });
  const output = outputOf(client);
  const ours = await version(1);
  await output.deliver(ours, signal);
  const theirs = { metadata: { labels: { team: 'shop' } }, data: { 'extra.txt': 'eA==' } };
  for (const [what, patch, intact] of [
    ['what is not ours', theirs, true],
    ['ca.crt', { data: { 'ca.crt': Buffer.from('edited').toString('base64') } }, false],
    ['no ca.crt', { data: { 'ca.crt': null } }, false],
    ['the chain', { data: { 'tls.crt': Buffer.from(`${ours.bundle.chainPem}\n`).toString('base64') } }, false],
    ['the label', { metadata: { labels: { 'app.kubernetes.io/managed-by': 'Helm' } } }, false],
    ['the version', { metadata: { annotations: { 'certplane.dev/version': 'file/shop#7' } } }, false],
    ['the fingerprint', { metadata: { annotations: { 'certplane.dev/fingerprint256': null } } }, false],
  ] as const) {
    await kube.request('PATCH', path, patch, { contentType: 'application/merge-patch+json' });
    const held = await output.current(signal, wanted(ours));
    assert.deepEqual([held?.fingerprint256, held?.intact], [ours.fingerprint256, intact], what);
    await output.deliver(ours, signal);
    assert.equal((await output.current(signal, wanted(ours)))?.intact, true, `${what} is put right`);
  }
  const { data, metadata } = (await kube.request<SecretBody>('GET', path)).body;
  assert.equal(decode(data['ca.crt']), ca.certPem);
  assert.equal(decode(data['extra.txt']), 'x', 'left alone');
  assert.equal(metadata.labels['team'], 'shop');
});

test('an API server that is away is said to be, and the delivery succeeds when it is back', { skip }, async () => {
  await using kube = await startKube();
  await kube.createNamespace('shop');
  const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile() });
  const output = outputOf(client);
  const ours = await version(1);
  await kube.stopApiServer();
  await assert.rejects(output.deliver(ours, signal), (error) => {
    assert.ok(error instanceof CertplaneError && error.code === 'kubernetes.unreachable');
    assert.match(error.message, /^Secret shop\/shop-tls: the API server cannot be reached: .*ECONNREFUSED/);
    return true;
  });
  await kube.startApiServer();
  await output.deliver(ours, signal);
  assert.equal((await output.current(signal))?.fingerprint256, ours.fingerprint256);
});

test('a kubeconfig that is missing or names no such context is refused with its name', { skip }, async () => {
  assert.throws(
    () => createKubernetesClient({ kubeconfig: '/nonexistent/kubeconfig' }),
    code('kubernetes.not-configured'),
  );
  await using kube = await startKube();
  const kubeconfig = await kube.kubeconfigFile();
  assert.throws(() => createKubernetesClient({ kubeconfig, context: 'no-such' }), code('kubernetes.not-configured'));
});
