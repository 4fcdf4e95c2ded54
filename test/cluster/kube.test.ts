/** The API server that the cluster tests stand on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingKube, startKube } from '../support/kube.ts';

test(
  'a real API server: RBAC is on, apply works, data and address survive an outage',
  { skip: await missingKube() },
  async () => {
    await using kube = await startKube({ tokens: [{ token: 'nobody-token', user: 'nobody' }] });
    await kube.createNamespace('shop');
    const path = '/api/v1/namespaces/shop/secrets/shop-tls';
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'shop-tls' }, stringData: { a: 'b' } };
    const applied = await kube.request('PATCH', `${path}?fieldManager=certplane`, secret, {
      contentType: 'application/apply-patch+yaml',
    });
    assert.equal(applied.status, 201);
    const refused = await kube.request('GET', path, undefined, { token: 'nobody-token', check: false });
    assert.equal(refused.status, 403);

    await kube.stopApiServer();
    await assert.rejects(kube.request('GET', path), { code: 'ECONNREFUSED' });
    await kube.startApiServer();
    assert.equal((await kube.request<{ kind: string }>('GET', path)).body.kind, 'Secret');
  },
);
