import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { IRouter } from 'express';
import { apiPrefix } from '../../src/api/contract/prefix.ts';
import { openApiDocument } from '../../src/api/openapi.ts';
import { createRouter } from '../../src/api/router.ts';
import { apiRoutes } from '../../src/api/server.ts';
import { startApi } from './api-fixture.ts';

const routes = apiRoutes({} as never);

suite('the OpenAPI document', () => {
  test('lists exactly the routes that the express router answers', () => {
    const router: IRouter = createRouter({
      routes,
      authenticate: async () => undefined,
      stopping: new AbortController().signal,
      track: async (work) => await work,
    });
    const served = router.stack.flatMap(({ route }) => {
      if (route === undefined) return [];
      return route.stack.map(({ method }) => `${method} ${apiPrefix}${route.path.replace(':id', '{id}')}`);
    });
    const documented = Object.entries(openApiDocument(routes).paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.ok(served.length >= 15);
    assert.deepEqual(documented.toSorted(), [...new Set(served)].toSorted());
  });

  test('is valid: references resolve, operation ids are unique, path parameters are declared, every answer is described', () => {
    const document = openApiDocument(routes);
    assert.equal(document.openapi, '3.1.0');
    const text = JSON.stringify(document);
    for (const [, pointer = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      let place: unknown = document;
      for (const part of pointer.split('/')) place = (place as Record<string, unknown>)[part];
      assert.ok(place !== undefined, pointer);
    }
    const ids = new Set<string>();
    for (const [path, methods] of Object.entries(document.paths ?? {})) {
      for (const operation of Object.values(methods)) {
        const {
          operationId,
          parameters = [],
          responses,
        } = operation as unknown as {
          operationId: string;
          parameters?: { name: string; in: string; required?: boolean }[];
          responses: Record<string, { description: string }>;
        };
        assert.ok(!ids.has(operationId), operationId);
        ids.add(operationId);
        const declared = parameters.filter((one) => one.in === 'path').map((one) => one.name);
        assert.deepEqual(declared, path.includes('{id}') ? ['id'] : []);
        assert.ok(parameters.filter((one) => one.in === 'path').every((one) => one.required === true));
        assert.ok(Object.keys(responses).some((status) => status.startsWith('2')));
        for (const { description } of Object.values(responses)) assert.ok(description.length > 0);
      }
    }
    for (const name of ['Certificate', 'CertificateDetail', 'CertificateList', 'Overview', 'Problem', 'ChangeEvent']) {
      assert.ok(document.components?.schemas?.[name] !== undefined, name);
    }
  });

  test('is served to anybody, because it tells nothing about this installation', async () => {
    await using fixture = await startApi();
    const answer = await fixture.call('/openapi.json', { as: fixture.none });
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.body), JSON.parse(JSON.stringify(openApiDocument(routes))));
  });
});
