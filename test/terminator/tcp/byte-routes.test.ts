import assert from 'node:assert/strict';
import test from 'node:test';
import type { Route, RouteAction } from '../../../src/core/route.ts';
import { compileByteRoutes } from '../../../src/terminator/tcp/byte-routes.ts';

function route(hosts: string[], action: RouteAction): Route {
  return { name: hosts[0] ?? '', hosts, path: { kind: 'prefix', value: '/' }, action, http: 'redirect' };
}

test('exact hosts before one-label wildcards; a host with a route of its own is not the wildcard’s', () => {
  const routes = compileByteRoutes([
    route(['*.a.test'], { kind: 'passthrough', backend: 'far' }),
    route(['web.a.test'], { kind: 'proxy', backend: 'web' }),
    route(['db.a.test', '*.db.test'], { kind: 'tcp', backend: 'db' }),
  ]);
  assert.equal(routes.passthroughFor('x.a.test'), 'far');
  assert.equal(routes.passthroughFor('x.y.a.test'), undefined);
  assert.equal(routes.passthroughFor('a.test'), undefined);
  assert.equal(routes.passthroughFor('web.a.test'), undefined);
  assert.equal(routes.passthroughFor('db.a.test'), undefined);
  assert.equal(routes.tcpFor('db.a.test'), 'db');
  assert.equal(routes.tcpFor('one.db.test'), 'db');
  assert.equal(routes.tcpFor('x.a.test'), undefined);
  assert.equal(routes.tcpFor('localhost'), undefined);
});

test('without such routes no host is looked up', () => {
  const routes = compileByteRoutes([route(['a.test'], { kind: 'proxy', backend: 'web' })]);
  assert.deepEqual([routes.tcpFor('a.test'), routes.passthroughFor('a.test')], [undefined, undefined]);
});
