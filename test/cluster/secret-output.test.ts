import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBundle } from '../../src/core/bundle.ts';
import { CertplaneError } from '../../src/core/errors.ts';
import type { DeliverableVersion } from '../../src/core/ports/output.ts';
import { createKubernetesClient } from '../../src/kubernetes/client.ts';
import { certificateAnnotation, createSecretOutput } from '../../src/kubernetes/secret-output.ts';
import { missingKube, startKube } from '../support/kube.ts';
import { TestCa } from '../support/test-ca.ts';

const skip = await missingKube();
const ca = await TestCa.create();
const { signal } = new AbortController();
const spec = { kind: 'kubernetesSecret', id: 'secret:shop/shop-tls', namespace: 'shop', name: 'shop-tls' } as const;
const path = '/api/v1/namespaces/shop/secrets/shop-tls';

interface SecretBody {
  type: string;
  data: Record<string, string>;
  metadata: {
    managedFields: { manager: string; operation: string }[];
    annotations: Record<string, string>;
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
    const output = createSecretOutput(spec, client, 'file/shop');

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

    const elsewhere = createSecretOutput({ ...spec, namespace: 'default' }, client, 'file/shop');
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
  const output = createSecretOutput(spec, client, 'file/shop');
  const ours = await version(1);

  await assert.rejects(output.deliver(ours, signal), (error) => {
    assert.ok(error instanceof CertplaneError && error.code === 'output.not-owned');
    assert.match(error.message, /kubectl annotate -n shop secret shop-tls certplane\.dev\/certificate=file\/shop/);
    return true;
  });
  assert.equal(decode((await kube.request<SecretBody>('GET', path)).body.data['tls.crt']), theirs.fullchainPem);
  assert.equal(await output.current(signal), undefined);

  const handOver = { metadata: { annotations: { [certificateAnnotation]: 'file/shop' } } };
  await kube.request('PATCH', path, handOver, { contentType: 'application/merge-patch+json' });
  await output.deliver(ours, signal);
  assert.equal((await output.current(signal))?.fingerprint256, ours.fingerprint256);

  const second = createSecretOutput(spec, client, 'file/other');
  await assert.rejects(
    second.deliver(ours, signal),
    (error) => error instanceof CertplaneError && /belongs to the certificate file\/shop/.test(error.message),
  );
});

test('an API server that is away is said to be, and the delivery succeeds when it is back', { skip }, async () => {
  await using kube = await startKube();
  await kube.createNamespace('shop');
  const client = createKubernetesClient({ kubeconfig: await kube.kubeconfigFile() });
  const output = createSecretOutput(spec, client, 'file/shop');
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
